#pragma once

#include <atomic>
#include <bit>
#include <cstdint>

/**
 * The radix tree of lib/tree in C++: the same nodes in the same words, the same walks, for 4 KiB entries.
 *
 * See lib/tree/node.ts for the layout and cursor.ts, marks.ts and shape.ts for the algorithms. What TypeScript checks
 * (index, entry, kind of slot) is checked here too. An operation is a call here as there. Erase and 2 MiB entries are
 * not measured and not here.
 */
namespace faultline {

class TwinTree {
 public:
  static constexpr uint32_t kBits = 6, kMask = 63, kNode = 12, kSibling = 13, kKind = 12, kNodeWords = 72;
  enum Word { kParent, kOffset, kShift, kCount, kSlots, kMarks = 68 };

  /** words: zeroed, room for `nodes` nodes and their pool. */
  TwinTree(uint32_t* words, uint32_t nodes) : words_(words), nodes_(nodes) {}

  void initialise() {
    head_ = marks_ = entries_ = inUse_ = 0;
    fresh_ = 1;
  }

  /** Return: the entry, 0 when there is none. */
  [[gnu::noinline]] uint32_t load(uint32_t index) const {
    const uint32_t* slot = find(index);
    return slot == nullptr ? 0 : *slot;
  }

  [[gnu::noinline]] bool store(uint32_t index, uint32_t entry) {
    if (uint32_t* slot = const_cast<uint32_t*>(find(index)); slot != nullptr) {
      *slot = entry;
      return true;
    }
    const uint32_t id = makeRoom(index);
    if (id == 0) return false;
    uint32_t* node = at(id);
    node[kSlots + (index & kMask)] = entry;
    node[kCount]++;
    entries_++;
    return true;
  }

  [[gnu::noinline]] bool setMark(uint32_t index, uint32_t mark) {
    uint32_t* slot = const_cast<uint32_t*>(find(index));
    if (slot == nullptr) return false;
    uint32_t* node = words_ + (static_cast<size_t>(slot - words_) / kNodeWords) * kNodeWords;
    uint32_t offset = index & kMask;
    while (raise(node, mark, offset)) {
      if (node[kParent] == 0) {
        marks_ |= 1u << mark;
        break;
      }
      offset = node[kOffset];
      node = at(node[kParent]);
    }
    return true;
  }

  /** The first marked entry in [from, last]. Return: false when there is none. */
  [[gnu::noinline]] bool nextMarked(uint32_t from, uint32_t last, uint32_t mark, uint32_t* found) const {
    if ((marks_ & (1u << mark)) == 0 || head_ == 0) return false;
    const uint32_t* const top = at(head_ >> 4);
    const uint32_t topShift = top[kShift];
    const uint32_t* node = top;
    uint32_t shift = topShift;
    uint64_t index = from;
    while (index <= last && covers(topShift + kBits, static_cast<uint32_t>(index))) {
      const auto at32 = static_cast<uint32_t>(index);
      uint32_t offset = (at32 >> shift) & kMask;
      const uint32_t here = node[kSlots + offset];
      if ((here & kSibling) == kSibling) offset = here >> 4;
      const uint32_t span = shift + kBits;
      const bool lastHere = span >= 32 || at32 >> span == last >> span;
      const uint32_t stop = lastHere ? (last >> shift) & kMask : kMask;
      const uint32_t slot = nextBit(node, mark, offset, stop);
      if (slot > stop) {
        if (lastHere) return false;
        index = (static_cast<uint64_t>((at32 >> shift) | kMask) + 1) << shift;
        node = top;
        shift = topShift;
        continue;
      }
      if (slot != ((at32 >> shift) & kMask)) index = (((at32 >> shift) & ~kMask) | slot) << shift;
      const uint32_t entry = node[kSlots + slot];
      if ((entry & kSibling) != kNode) {
        *found = static_cast<uint32_t>(index);
        return true;
      }
      node = at(entry >> 4);
      shift -= kBits;
    }
    return false;
  }

 private:
  static bool covers(uint32_t span, uint32_t index) { return span >= 32 || index >> span == 0; }
  uint32_t* at(uint32_t id) const { return words_ + static_cast<size_t>(id) * kNodeWords; }

  const uint32_t* find(uint32_t index) const {
    if (head_ == 0) return nullptr;
    const uint32_t* node = at(head_ >> 4);
    if (!covers(node[kShift] + kBits, index)) return nullptr;
    for (int shift = static_cast<int>(node[kShift]); shift >= 0; shift -= kBits) {
      const uint32_t* slot = node + kSlots + ((index >> shift) & kMask);
      const uint32_t entry = *slot;
      if ((entry & kKind) != kKind) return entry == 0 ? nullptr : slot;
      if ((entry & kSibling) == kSibling) return node + kSlots + (entry >> 4);
      node = at(entry >> 4);
    }
    return nullptr;
  }

  static bool raise(uint32_t* node, uint32_t mark, uint32_t offset) {
    uint32_t& word = node[kMarks + mark * 2 + (offset >> 5)];
    const uint32_t before = word;
    word |= 1u << (offset & 31);
    return word != before;
  }

  static uint32_t nextBit(const uint32_t* node, uint32_t mark, uint32_t offset, uint32_t last) {
    const uint32_t* words = node + kMarks + mark * 2;
    uint32_t word = offset >> 5;
    uint32_t bits = words[word] & (~0u << (offset & 31));
    while (bits == 0) {
      if (++word > last >> 5) return last + 1;
      bits = words[word];
    }
    return (word << 5) + static_cast<uint32_t>(std::countr_zero(bits));
  }

  uint32_t allocate() {
    while (lock_.exchange(1, std::memory_order_acquire) != 0) {
    }
    uint32_t id = fresh_ > nodes_ ? 0 : fresh_++;
    if (id != 0) inUse_++;
    lock_.store(0, std::memory_order_release);
    if (id != 0) {
      uint32_t* node = at(id);
      for (uint32_t i = 0; i < kNodeWords; i++) node[i] = 0;
    }
    return id;
  }

  uint32_t attach(uint32_t parent, uint32_t offset, uint32_t shift) {
    const uint32_t id = allocate();
    if (id == 0) return 0;
    uint32_t* node = at(id);
    node[kParent] = parent;
    node[kOffset] = offset;
    node[kShift] = shift;
    if (parent == 0) {
      head_ = id << 4 | kNode;
    } else {
      at(parent)[kSlots + offset] = id << 4 | kNode;
      at(parent)[kCount]++;
    }
    return id;
  }

  /** Return: id of the leaf that covers `index`, 0 when the pool ran out. */
  uint32_t makeRoom(uint32_t index) {
    uint32_t shift = 0;
    uint32_t id = 0;
    if (head_ == 0) {
      while (!covers(shift + kBits, index)) shift += kBits;
      id = attach(0, 0, shift);
    } else {
      id = head_ >> 4;
      shift = at(id)[kShift];
      while (id != 0 && !covers(shift + kBits, index)) id = raiseHead(id, shift += kBits);
    }
    while (id != 0 && shift > 0) {
      const uint32_t offset = (index >> shift) & kMask;
      const uint32_t below = at(id)[kSlots + offset];
      shift -= kBits;
      id = below != 0 ? below >> 4 : attach(id, offset, shift);
    }
    return id;
  }

  uint32_t raiseHead(uint32_t below, uint32_t shift) {
    const uint32_t id = allocate();
    if (id == 0) return 0;
    uint32_t* node = at(id);
    node[kShift] = shift;
    node[kCount] = 1;
    node[kSlots] = below << 4 | kNode;
    for (uint32_t mark = 0; mark < 2; mark++) {
      const uint32_t* words = at(below) + kMarks + mark * 2;
      if ((words[0] | words[1]) != 0) raise(node, mark, 0);
    }
    at(below)[kParent] = id;
    head_ = id << 4 | kNode;
    return id;
  }

  uint32_t* const words_;
  const uint32_t nodes_;
  uint32_t head_ = 0, marks_ = 0, entries_ = 0, fresh_ = 1, inUse_ = 0;
  std::atomic<uint32_t> lock_{0};
};

}  // namespace faultline
