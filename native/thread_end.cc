#include "thread_end.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <list>
#include <map>
#include <mutex>
#include <set>

#include "args.h"
#include "result.h"

/**
 * What becomes of a mount when the thread that made it is gone without a word: Worker.terminate() runs no JavaScript,
 * neither an exit hook nor a finally, but environments still clean up. Its fault workers are its children and gone by
 * then. So nobody answers faults any more, and other threads may sleep in one.
 *
 * Then, for each mount of the environment that is not closed: its state becomes Dead; its caches are cut to nothing, so
 * that every access is past EOF; its userfaultfds are replaced, which wakes who sleeps in a fault to meet SIGBUS; and
 * when nobody else uses the mount the pool is unlocked. Descriptors keep their numbers: who still closes them closes
 * nothing of others. A thread that is gone in the middle of an unmount had nobody beside it: the pool is unlocked.
 *
 * The list of what belongs to a mount is the process's, under a mutex that is also held while any of it is closed: a
 * number that has become another file's is never touched.
 */
namespace faultline {

namespace {

struct Service {
  napi_env env;
  /** -1 once it was closed; so are those below. The service is over when both are. */
  int uffd;
  int lock;
  /** The typed array of the words below: a thread terminated inside mount() leaves no other reference to them. */
  napi_ref words;
  std::atomic<int32_t>* state;
  std::atomic<int32_t>* users;
  int32_t live;
  int32_t dead;
  int32_t closed;
  std::set<int> caches;
  /** Besides the one it is known by. */
  std::set<int> userfaultfds;
};

std::mutex mutex;
/** Never destroyed: environments end after static destructors may have run. */
auto& services = *new std::list<Service>;
/** Pools locked by who has not yet said what it serves: descriptors and who locked them. */
auto& locks = *new std::map<int, napi_env>;
/** Of mounts that another thread closed: only its own thread may delete a reference, and does at its next mount. */
auto& spent = *new std::multimap<napi_env, napi_ref>;
/** Environments with a clean-up hook of ours. */
auto& watched = *new std::set<napi_env>;

/** Closes the file behind a descriptor and keeps its number taken. */
void replace(int fd, int placeholder) {
  if (placeholder != -1) dup3(placeholder, fd, O_CLOEXEC);
}

/** Context: under the mutex. Return: nullptr when there is none. */
Service* serviceOf(int uffd) {
  const auto at = std::ranges::find(services, uffd, &Service::uffd);
  return at == services.end() ? nullptr : &*at;
}

void unlockPool(const Service& service) {
  if (service.lock != -1) flock(service.lock, LOCK_UN);
}

void endService(const Service& service) {
  if (service.state->load() == service.closed) {
    unlockPool(service);
    return;
  }
  int32_t expected = service.live;
  service.state->compare_exchange_strong(expected, service.dead);
  for (const int cache : service.caches) {
    if (ftruncate(cache, 0) == -1) continue;
  }
  const int placeholder = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (service.uffd != -1) replace(service.uffd, placeholder);
  for (const int other : service.userfaultfds) replace(other, placeholder);
  if (placeholder != -1) close(placeholder);
  if (service.users->load() <= 1) unlockPool(service);
}

/** Its references go with it: they are not deleted here. */
void environmentEnds(void* env) {
  const std::lock_guard<std::mutex> guard(mutex);
  watched.erase(static_cast<napi_env>(env));
  spent.erase(static_cast<napi_env>(env));
  for (const Service& service : services) {
    if (service.env == env) endService(service);
  }
  services.remove_if([env](const Service& service) { return service.env == env; });
  for (const auto& [lock, owner] : locks) {
    if (owner == env) flock(lock, LOCK_UN);
  }
  std::erase_if(locks, [env](const auto& each) { return each.second == env; });
}

void watch(napi_env env) {
  if (watched.insert(env).second) napi_add_env_cleanup_hook(env, environmentEnds, env);
}

void letGoOfWords(napi_env caller, const Service& service) {
  if (service.env == caller) {
    napi_delete_reference(caller, service.words);
  } else {
    spent.emplace(service.env, service.words);
  }
}

}  // namespace

int tryLockOwned(napi_env env, int fd) {
  const std::lock_guard<std::mutex> guard(mutex);
  if (flock(fd, LOCK_EX | LOCK_NB) == -1) return -1;
  watch(env);
  locks[fd] = env;
  return 0;
}

int closeOwned(napi_env env, int fd) {
  const std::lock_guard<std::mutex> guard(mutex);
  locks.erase(fd);
  for (Service& service : services) {
    if (service.uffd == fd) service.uffd = -1;
    if (service.lock == fd) service.lock = -1;
    service.caches.erase(fd);
    service.userfaultfds.erase(fd);
  }
  services.remove_if([env](const Service& service) {
    const bool over = service.uffd == -1 && service.lock == -1;
    if (over) letGoOfWords(env, service);
    return over;
  });
  return close(fd);
}

/** (uffd, lock, words, place of State, place of Users, Live, Dead, Closed) */
napi_value serveFromHere(napi_env env, napi_callback_info info) {
  Args args(env, info, "serveFromHere");
  const int uffd = args.integer(0);
  const int lock = args.integer(1);
  const size_t state = args.size(3);
  const size_t users = args.size(4);
  const View<int32_t> words = args.int32s(2, std::max(state, users) + 1);
  const int live = args.integer(5);
  const int dead = args.integer(6);
  const int closed = args.integer(7);
  if (!args.ok()) return nullptr;
  napi_ref reference = nullptr;
  napi_create_reference(env, args.raw(2), 1, &reference);
  const std::lock_guard<std::mutex> guard(mutex);
  watch(env);
  locks.erase(lock);
  for (auto [at, end] = spent.equal_range(env); at != end; at = spent.erase(at)) napi_delete_reference(env, at->second);
  const auto word = [&words](size_t at) { return reinterpret_cast<std::atomic<int32_t>*>(words.data + at); };
  services.push_back({env, uffd, lock, reference, word(state), word(users), live, dead, closed, {}, {}});
  return undefined(env);
}

napi_value ownCache(napi_env env, napi_callback_info info) {
  Args args(env, info, "ownCache");
  const int uffd = args.integer(0);
  const int cache = args.integer(1);
  if (!args.ok()) return nullptr;
  const std::lock_guard<std::mutex> guard(mutex);
  if (Service* service = serviceOf(uffd); service != nullptr) service->caches.insert(cache);
  return undefined(env);
}

napi_value ownUserfaultfd(napi_env env, napi_callback_info info) {
  Args args(env, info, "ownUserfaultfd");
  const int uffd = args.integer(0);
  const int other = args.integer(1);
  if (!args.ok()) return nullptr;
  const std::lock_guard<std::mutex> guard(mutex);
  if (Service* service = serviceOf(uffd); service != nullptr) service->userfaultfds.insert(other);
  return undefined(env);
}

}  // namespace faultline
