#include "store_forms.h"

/** rdi: to, rsi: from. */
namespace faultline {

#define FORM(name, spans, text) STORE_FORM_(name, spans, "sse2", 1, text)
#define ALIGNED(name, spans, alignment, text) STORE_FORM_(name, spans, "sse2", alignment, text)
/** The instruction at 0, then rax and the flags it left at 8 and 16. */
#define KEEP                                                                                                  \
  "\n\tleaq -128(%%rsp), %%rsp\n\tpushfq\n\tpopq %%rcx\n\tleaq 128(%%rsp), %%rsp\n\tmovq %%rax, 8(%%rdi)\n\t" \
  "movq %%rcx, 16(%%rdi)"
#define RESULTS(name, spans, text) FORM(name, spans, text KEEP)
#define MISSES(name, text) FORM(name, "8:16", text KEEP)
#define LOAD "movq (%%rsi), %%rax\n\t"

const StoreForm kIntegerForms[] = {
    FORM("mov r8", "0:1", LOAD "movb %%al, (%%rdi)"),
    FORM("mov high r8", "0:1", LOAD "movb %%ah, (%%rdi)"),
    FORM("mov sil", "0:1", "movq %%rdi, %%rcx\n\tmovzbl (%%rsi), %%esi\n\tmovb %%sil, (%%rcx)"),
    FORM("mov r12b", "0:1", LOAD "movq %%rax, %%r12\n\tmovb %%r12b, (%%rdi)"),
    FORM("mov r16", "0:2", LOAD "movw %%ax, (%%rdi)"),
    FORM("mov r32", "0:4", LOAD "movl %%eax, (%%rdi)"),
    FORM("mov r64", "0:8", LOAD "movq %%rax, (%%rdi)"),
    FORM("mov disp8", "16:8", LOAD "movq %%rax, 16(%%rdi)"),
    FORM("mov negative disp", "0:8", LOAD "addq $300, %%rdi\n\tmovq %%rax, -300(%%rdi)"),
    FORM("mov index", "16:8", LOAD "movl $2, %%ecx\n\tmovq %%rax, 8(%%rdi, %%rcx, 4)"),
    FORM("mov index only", "24:8", LOAD "movq %%rdi, %%rcx\n\tmovq %%rax, 24(, %%rcx, 1)"),
    FORM("mov r12 base", "0:8", LOAD "movq %%rdi, %%r12\n\tmovq %%rax, (%%r12)"),
    FORM("mov r13 base", "0:8", LOAD "movq %%rdi, %%r13\n\tmovq %%rax, (%%r13)"),
    FORM("mov imm8", "0:1", "movb $0x5a, (%%rdi)"),
    FORM("mov imm16", "0:2", "movw $0x5a5b, (%%rdi)"),
    FORM("mov imm32", "0:4", "movl $0x5a5b5c5d, (%%rdi)"),
    FORM("mov imm64", "0:8", "movq $-2, 0(%%rdi)"),
    FORM("add r64", "0:8", LOAD "addq %%rax, (%%rdi)"),
    FORM("adc r8", "0:1", LOAD "stc\n\tadcb %%al, (%%rdi)"),
    FORM("add imm8", "0:1", "addb $3, (%%rdi)"),
    FORM("sub imm32", "0:8", "subq $0x12345678, (%%rdi)"),
    FORM("xor r16", "0:2", LOAD "xorw %%ax, (%%rdi)"),
    FORM("or imm, nothing changes", "0:4", "orl $0, (%%rdi)"),
    FORM("sub and add, base is the 32-bit operand too", "0:4",
         "movq %%rdi, %%rdx\n\tsubl %%edx, (%%rdx)\n\taddl %%edx, (%%rdx)"),
    FORM("not", "0:8", "notq (%%rdi)"),
    FORM("neg", "0:4", "negl (%%rdi)"),
    FORM("inc", "0:1", "incb (%%rdi)"),
    FORM("dec", "0:8", "decq (%%rdi)"),
    FORM("shl imm", "0:8", "shlq $3, (%%rdi)"),
    FORM("sar cl", "0:4", "movl $5, %%ecx\n\tsarl %%cl, (%%rdi)"),
    FORM("rol 1", "0:2", "rolw $1, (%%rdi)"),
    FORM("shld", "0:8", LOAD "shldq $7, %%rax, (%%rdi)"),
    FORM("shrd cl", "0:4", LOAD "movl $9, %%ecx\n\tshrdl %%cl, %%eax, (%%rdi)"),
    FORM("bts imm", "0:8", "btsq $5, (%%rdi)"),
    FORM("setc", "0:1", "stc\n\tsetc (%%rdi)"),
    FORM("xchg", "0:8", LOAD "xchgq %%rax, (%%rdi)"),
    FORM("xchg r8", "0:1", LOAD "xchgb %%al, (%%rdi)"),
    FORM("lock xadd", "0:8", LOAD "lock xaddq %%rax, (%%rdi)"),
    FORM("lock or, nothing changes", "0:1", "lock orb $0, (%%rdi)"),
    FORM("lock cmpxchg", "0:8", "movq (%%rdi), %%rax\n\tmovq (%%rsi), %%rcx\n\tlock cmpxchgq %%rcx, (%%rdi)"),
    FORM("lock cmpxchg that fails", "",
         "movq (%%rdi), %%rax\n\tnotq %%rax\n\tmovq (%%rsi), %%rcx\n\tlock cmpxchgq %%rcx, (%%rdi)"),
    FORM("cmpxchg r8", "0:1", "movb (%%rdi), %%al\n\tmovb (%%rsi), %%cl\n\tcmpxchgb %%cl, (%%rdi)"),
    FORM("cmpxchg8b", "0:8",
         "movl (%%rdi), %%eax\n\tmovl 4(%%rdi), %%edx\n\tmovl (%%rsi), %%ebx\n\tmovl 4(%%rsi), %%ecx\n\t"
         "cmpxchg8b (%%rdi)"),
    ALIGNED("cmpxchg16b", "0:16", 16,
            "movq (%%rdi), %%rax\n\tmovq 8(%%rdi), %%rdx\n\tmovq (%%rsi), %%rbx\n\tmovq 8(%%rsi), %%rcx\n\t"
            "lock cmpxchg16b (%%rdi)"),
    RESULTS("xadd r64, registers and flags", "0:24", LOAD "lock xaddq %%rax, (%%rdi)"),
    RESULTS("xadd r32, registers and flags", "0:4 8:16", LOAD "lock xaddl %%eax, (%%rdi)"),
    RESULTS("xadd r8, registers and flags", "0:1 8:16", LOAD "xaddb %%al, (%%rdi)"),
    RESULTS("xadd ah", "0:1 8:16", LOAD "xaddb %%ah, (%%rdi)"),
    RESULTS("xchg r16, registers and flags", "0:2 8:16", LOAD "xorl %%ecx, %%ecx\n\tstc\n\txchgw %%ax, (%%rdi)"),
    RESULTS("xchg r32, registers and flags", "0:4 8:16", LOAD "xorl %%ecx, %%ecx\n\txchgl %%eax, (%%rdi)"),
    RESULTS("cmpxchg r64, registers and flags", "0:24",
            "movq (%%rdi), %%rax\n\tmovq (%%rsi), %%rcx\n\tlock cmpxchgq %%rcx, (%%rdi)"),
    RESULTS("cmpxchg r32, registers and flags", "0:4 8:16",
            "movq $-1, %%rax\n\tshlq $32, %%rax\n\tmovl (%%rdi), %%ecx\n\torq %%rcx, %%rax\n\tmovl (%%rsi), %%ecx\n\t"
            "lock cmpxchgl %%ecx, (%%rdi)"),
    MISSES("cmpxchg r64 that fails, registers and flags", LOAD "lock cmpxchgq %%rdi, (%%rdi)"),
    MISSES("cmpxchg r32 that fails, registers and flags", LOAD "lock cmpxchgl %%edi, (%%rdi)"),
    MISSES("cmpxchg r8 that fails, registers and flags",
           LOAD "movb (%%rdi), %%al\n\tnotb %%al\n\tcmpxchgb %%cl, (%%rdi)"),
    FORM("movnti", "0:8", LOAD "movntiq %%rax, (%%rdi)"),
    FORM("movbe", "0:4", LOAD "movbel %%eax, (%%rdi)"),
    FORM("stosb", "0:1", LOAD "stosb"),
    FORM("stosq", "0:8", LOAD "stosq"),
    FORM("movsl", "0:4", "movsl"),
    FORM("rep stosb", "0:100", LOAD "movl $100, %%ecx\n\trep stosb"),
    FORM("rep stosw", "0:90", LOAD "movl $45, %%ecx\n\trep stosw"),
    FORM("rep stosq", "0:240", LOAD "movl $30, %%ecx\n\trep stosq"),
    FORM("rep stosb of nothing", "", LOAD "xorl %%ecx, %%ecx\n\trep stosb"),
    FORM("rep movsb", "0:200", "movl $200, %%ecx\n\trep movsb"),
    FORM("rep movsq", "0:160", "movl $20, %%ecx\n\trep movsq"),
    FORM("rep movsb onto its own source", "1:90", "movq %%rdi, %%rsi\n\tincq %%rdi\n\tmovl $90, %%ecx\n\trep movsb"),
    FORM("rep stosb downwards", "0:70", LOAD "addq $69, %%rdi\n\tmovl $70, %%ecx\n\tstd\n\trep stosb"),
    FORM("rep movsl downwards", "0:40", "addq $36, %%rdi\n\taddq $36, %%rsi\n\tmovl $10, %%ecx\n\tstd\n\trep movsl"),
    FORM("fst m32", "0:4", "fldl (%%rsi)\n\tfstps (%%rdi)"),
    FORM("fst m64", "0:8", "fldl (%%rsi)\n\tfstpl (%%rdi)"),
    FORM("fstp m80", "0:10", "fldl (%%rsi)\n\tfstpt (%%rdi)"),
    FORM("fistp m64", "0:8", "fld1\n\tfistpll (%%rdi)"),
    FORM("fistp m16", "0:2", "fld1\n\tfistps (%%rdi)"),
    FORM("fnstcw", "0:2", "fnstcw (%%rdi)"),
};

const unsigned kIntegerFormCount = sizeof kIntegerForms / sizeof kIntegerForms[0];

}  // namespace faultline
