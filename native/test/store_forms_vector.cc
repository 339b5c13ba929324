#include "store_forms.h"

/** rdi: to, rsi: from. */
namespace faultline {

#define SSE(name, spans, alignment, text) \
  STORE_FORM_(name, spans, "sse4.2", alignment, "movdqu (%%rsi), %%xmm1\n\t" text)
#define AVX(name, spans, alignment, text) \
  STORE_FORM_(name, spans, "avx2", alignment, "vmovdqu (%%rsi), %%ymm1\n\t" text "\n\tvzeroupper")
#define AVX512(name, spans, needs, text) \
  STORE_FORM_(name, spans, needs, 1, "vmovdqu64 (%%rsi), %%zmm1\n\t" text "\n\tvzeroupper")
/** k1 = value */
#define MASK(value) "movq $" value ", %%rax\n\tkmovq %%rax, %%k1\n\t"

const StoreForm kVectorForms[] = {
    SSE("movss", "0:4", 1, "movss %%xmm1, (%%rdi)"),
    SSE("movsd", "0:8", 1, "movsd %%xmm1, (%%rdi)"),
    SSE("movlps", "0:8", 1, "movlps %%xmm1, (%%rdi)"),
    SSE("movhps", "0:8", 1, "movhps %%xmm1, (%%rdi)"),
    SSE("movups", "0:16", 1, "movups %%xmm1, (%%rdi)"),
    SSE("movupd", "0:16", 1, "movupd %%xmm1, (%%rdi)"),
    SSE("movdqu", "0:16", 1, "movdqu %%xmm1, (%%rdi)"),
    SSE("movaps", "0:16", 16, "movaps %%xmm1, (%%rdi)"),
    SSE("movdqa", "0:16", 16, "movdqa %%xmm1, (%%rdi)"),
    SSE("movups, index and disp32", "1008:16", 1, "movl $1, %%ecx\n\tmovups %%xmm1, 1000(%%rdi, %%rcx, 8)"),
    SSE("movd", "0:4", 1, "movd %%xmm1, (%%rdi)"),
    SSE("movq", "0:8", 1, "movq %%xmm1, (%%rdi)"),
    SSE("pextrb", "0:1", 1, "pextrb $3, %%xmm1, (%%rdi)"),
    SSE("pextrw", "0:2", 1, "pextrw $3, %%xmm1, (%%rdi)"),
    SSE("pextrd", "0:4", 1, "pextrd $1, %%xmm1, (%%rdi)"),
    SSE("pextrq", "0:8", 1, "pextrq $1, %%xmm1, (%%rdi)"),
    SSE("extractps", "0:4", 1, "extractps $2, %%xmm1, (%%rdi)"),
    SSE("movntdq", "0:16", 16, "movntdq %%xmm1, (%%rdi)"),
    SSE("movntps", "0:16", 16, "movntps %%xmm1, (%%rdi)"),
    AVX("vmovups xmm", "0:16", 1, "vmovups %%xmm1, (%%rdi)"),
    AVX("vmovups ymm", "0:32", 1, "vmovups %%ymm1, (%%rdi)"),
    AVX("vmovdqu ymm", "32:32", 1, "vmovdqu %%ymm1, 32(%%rdi)"),
    AVX("vmovapd ymm", "0:32", 32, "vmovapd %%ymm1, (%%rdi)"),
    AVX("vmovdqu high ymm", "0:32", 1, "vmovdqu %%ymm1, %%ymm2\n\tvmovdqu %%ymm2, (%%rdi)"),
    AVX("vmovss", "0:4", 1, "vmovss %%xmm1, (%%rdi)"),
    AVX("vmovsd", "0:8", 1, "vmovsd %%xmm1, (%%rdi)"),
    AVX("vmovq", "0:8", 1, "vmovq %%xmm1, (%%rdi)"),
    AVX("vmovntdq ymm", "0:32", 32, "vmovntdq %%ymm1, (%%rdi)"),
    AVX("vextractf128", "0:16", 1, "vextractf128 $1, %%ymm1, (%%rdi)"),
    AVX("vextracti128", "0:16", 1, "vextracti128 $1, %%ymm1, (%%rdi)"),
    AVX("vpextrq", "0:8", 1, "vpextrq $1, %%xmm1, (%%rdi)"),
    AVX("vmaskmovps", "4:8 16:4", 1,
        "vpcmpeqd %%ymm2, %%ymm2, %%ymm2\n\tvpxor %%xmm0, %%xmm0, %%xmm0\n\t"
        "vpblendd $0x16, %%ymm2, %%ymm0, %%ymm0\n\t"
        "vmaskmovps %%ymm1, %%ymm0, (%%rdi)"),
    AVX("vpmaskmovq", "8:8", 1,
        "vpcmpeqd %%xmm2, %%xmm2, %%xmm2\n\tvpxor %%xmm0, %%xmm0, %%xmm0\n\t"
        "vpblendd $12, %%xmm2, %%xmm0, %%xmm0\n\tvpmaskmovq %%xmm1, %%xmm0, (%%rdi)"),
    AVX512("vmovdqu64 zmm", "0:64", "avx512f", "vmovdqu64 %%zmm1, (%%rdi)"),
    AVX512("vmovups zmm, disp8 by width", "128:64", "avx512f", "vmovups %%zmm1, 128(%%rdi)"),
    AVX512("vmovdqu64 zmm20", "0:64", "avx512f", "vmovdqu64 %%zmm1, %%zmm20\n\tvmovdqu64 %%zmm20, (%%rdi)"),
    AVX512("vmovdqu64 xmm17", "0:16", "avx512vl", "vmovdqu64 %%xmm1, %%xmm17\n\tvmovdqu64 %%xmm17, (%%rdi)"),
    AVX512("vmovdqu8 ymm, mask", "0:1 2:2 31:1", "avx512bw", MASK("0x8000000d") "vmovdqu8 %%ymm1, (%%rdi)%{%%k1%}"),
    AVX512("vmovdqu8 zmm, whole mask", "0:64", "avx512bw", MASK("-1") "vmovdqu8 %%zmm1, (%%rdi)%{%%k1%}"),
    AVX512("vmovdqu8 zmm, empty mask", "", "avx512bw", MASK("0") "vmovdqu8 %%zmm1, (%%rdi)%{%%k1%}"),
    AVX512("vmovdqu16 zmm, mask", "2:4 62:2", "avx512bw", MASK("0x80000006") "vmovdqu16 %%zmm1, (%%rdi)%{%%k1%}"),
    AVX512("vmovdqu32 zmm, mask", "0:4 60:4", "avx512f", MASK("0x8001") "vmovdqu32 %%zmm1, (%%rdi)%{%%k1%}"),
    AVX512("vmovapd, mask", "8:8", "avx512f", MASK("2") "vmovupd %%zmm1, (%%rdi)%{%%k1%}"),
    AVX512("vpcompressd", "0:12", "avx512f", MASK("0x1011") "vpcompressd %%zmm1, (%%rdi)%{%%k1%}"),
    AVX512("vpcompressb", "5:3", "avx512vbmi2", MASK("0x700000000") "vpcompressb %%zmm1, 5(%%rdi)%{%%k1%}"),
    AVX512("vpmovwb", "0:32", "avx512bw", "vpmovwb %%zmm1, (%%rdi)"),
    AVX512("vpmovqd", "32:32", "avx512f", "vpmovqd %%zmm1, 32(%%rdi)"),
    AVX512("vpmovdb, mask", "1:1 15:1", "avx512f", MASK("0x8002") "vpmovdb %%zmm1, (%%rdi)%{%%k1%}"),
    AVX512("vextracti32x4", "0:16", "avx512f", "vextracti32x4 $3, %%zmm1, (%%rdi)"),
    AVX512("vextracti64x4", "0:32", "avx512f", "vextracti64x4 $1, %%zmm1, (%%rdi)"),
    AVX512("kmovq", "0:8", "avx512bw", MASK("0x123456789") "kmovq %%k1, (%%rdi)"),
    AVX512("kmovw", "0:2", "avx512f", MASK("0x1234") "kmovw %%k1, (%%rdi)"),
};

const unsigned kVectorFormCount = sizeof kVectorForms / sizeof kVectorForms[0];

}  // namespace faultline
