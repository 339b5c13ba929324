/**
 * Runs a program to which the kernel refuses some system calls, as the seccomp profile of a container does.
 *
 *   deny CALL=ERRNO... -- PROGRAM [ARGUMENT...]
 *
 * CALL: userfaultfd, device (what makes a userfaultfd of /dev/userfaultfd), openat2, memfd_create. ERRNO: EPERM,
 * ENOSYS. Status 125 when it cannot do that; else that of the program.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

namespace {

constexpr int kCannot = 125;
/** USERFAULTFD_IOC_NEW, which headers before Linux 6.1 do not have. */
constexpr unsigned kNewUserfaultfd = 0xaa00;

struct Call {
  const char* name;
  unsigned number;
  /** Only with this second argument; 0: any. */
  unsigned argument;
};

constexpr Call kCalls[] = {
    {"userfaultfd", SYS_userfaultfd, 0},
    {"device", SYS_ioctl, kNewUserfaultfd},
    {"openat2", 437, 0},
    {"memfd_create", SYS_memfd_create, 0},
};

using Filter = std::vector<sock_filter>;

void load(Filter& filter, size_t offset) {
  filter.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<unsigned>(offset)));
}

/** Go on when the loaded word is `value`, else pass over the next `others` instructions. */
void require(Filter& filter, unsigned value, unsigned char others) {
  filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, others));
}

void answer(Filter& filter, unsigned action) {
  filter.push_back(BPF_STMT(BPF_RET | BPF_K, action));
}

bool addRule(Filter& filter, const std::string& rule) {
  const size_t split = rule.find('=');
  if (split == std::string::npos) return false;
  const std::string name = rule.substr(0, split);
  const std::string code = rule.substr(split + 1);
  const int error = code == "EPERM" ? EPERM : code == "ENOSYS" ? ENOSYS : 0;
  for (const Call& call : kCalls) {
    if (name != call.name || error == 0) continue;
    load(filter, offsetof(seccomp_data, nr));
    require(filter, call.number, call.argument == 0 ? 1 : 3);
    if (call.argument != 0) {
      // The low half, which x86 stores first.
      load(filter, offsetof(seccomp_data, args) + sizeof(uint64_t));
      require(filter, call.argument, 1);
    }
    answer(filter, SECCOMP_RET_ERRNO | static_cast<unsigned>(error));
    return true;
  }
  return false;
}

bool install(Filter& filter) {
  sock_fprog program = {static_cast<unsigned short>(filter.size()), filter.data()};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

}  // namespace

int main(int argc, char** argv) {
  Filter filter;
  int at = 1;
  for (; at < argc && std::strcmp(argv[at], "--") != 0; at++) {
    if (addRule(filter, argv[at])) continue;
    std::fprintf(stderr, "deny: cannot deny '%s'\n", argv[at]);
    return kCannot;
  }
  answer(filter, SECCOMP_RET_ALLOW);
  if (at + 1 >= argc) {
    std::fprintf(stderr, "usage: deny CALL=ERRNO... -- PROGRAM [ARGUMENT...]\n");
    return kCannot;
  }
  if (!install(filter)) {
    std::perror("deny: seccomp");
    return kCannot;
  }
  execvp(argv[at + 1], argv + at + 1);
  std::perror(argv[at + 1]);
  return kCannot;
}
