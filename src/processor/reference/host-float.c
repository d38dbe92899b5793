/* Runs single x87 and SSE instructions on the host processor, the final judge of the float tests.
 * Source: SDM 2 (each instruction), SDM 1 "x87 FPU State Image" (FNSAVE, 32-bit protected-mode format).
 *   host-float list          prints the operation names in the order of their numbers
 *   host-float < records     48-byte records in: op u32, control u32, a[16], b[16], imm-free pad[8]
 *                            64-byte records out: r0[16], r1[16], flags u32, tag u32, mem[16], pad[8]
 * x87: ST0 = a, ST1 = b (both loaded as m80), control = FCW, flags = status word, r0 = ST0, r1 = ST1 afterwards,
 * mem = memory operand (prefilled with a; 0xa5 for stores). SSE: xmm0 = a, xmm1 = b, control = MXCSR. */
#include <immintrin.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>

typedef struct { uint32_t op, control; uint8_t a[16], b[16], pad[8]; } In;
typedef struct { uint8_t r0[16], r1[16]; uint32_t flags, tag; uint8_t mem[16], pad[8]; } Out;
typedef struct { uint32_t cw, sw, tw, ip, cs, dp, ds; uint8_t st[8][10]; } __attribute__((packed)) Save;

static In in;
static Out out;
static uint8_t mem[16] __attribute__((aligned(16)));
static Save save;
static sigjmp_buf back;
static volatile uint32_t trapped;

static void on_fpe(int sig, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  (void)sig; (void)info;
  trapped = uc->uc_mcontext.fpregs->mxcsr;
  siglongjmp(back, 1);
}

/* two registers, one register, none, with a memory operand */
#define X87(text) { uint16_t cw = in.control; \
  __asm__ volatile("fninit\n fldt %2\n fldt %1\n fnclex\n fldcw %3\n " text "\n fnsave %0\n fninit" \
    : "=m"(save), "+m"(in.a), "+m"(in.b) : "m"(cw), "r"(mem) : "memory", "st", "st(1)", "st(2)"); goto x87; }
/* memory operand comes from b; ST0 = a */
#define X87M(text) { uint16_t cw = in.control; memcpy(mem, in.b, 16); \
  __asm__ volatile("fninit\n fldt %1\n fnclex\n fldcw %2\n " text "\n fnsave %0\n fninit" \
    : "=m"(save), "+m"(in.a) : "m"(cw), "r"(mem) : "memory", "st", "st(1)", "st(2)"); goto x87; }
#define X87S(text) { uint16_t cw = in.control; memset(mem, 0xa5, 16); \
  __asm__ volatile("fninit\n fldt %1\n fnclex\n fldcw %2\n " text "\n fnsave %0\n fninit" \
    : "=m"(save), "+m"(in.a) : "m"(cw), "r"(mem) : "memory", "st", "st(1)", "st(2)"); goto x87; }
#define X87L(text) { uint16_t cw = in.control; memcpy(mem, in.a, 16); \
  __asm__ volatile("fninit\n fldcw %1\n " text "\n fnsave %0\n fninit" \
    : "=m"(save) : "m"(cw), "r"(mem) : "memory", "st", "st(1)", "st(2)"); goto x87; }
/* xmm0 op= xmm1 */
#define SSE(text) { __m128 x = _mm_loadu_ps((float *)in.a), y = _mm_loadu_ps((float *)in.b); uint64_t fl = 0; \
  if (sigsetjmp(back, 0) == 0) { \
    __asm__ volatile("ldmxcsr %2\n " text "\n stmxcsr %3" : "+x"(x), "+r"(fl) : "m"(in.control), "m"(after), "x"(y) : "memory", "cc", "mm0"); \
  } else { after = trapped; out.tag = 1; } \
  _mm_setcsr(0x1f80); __asm__ volatile("emms"); _mm_storeu_ps((float *)out.r0, x); memcpy(out.r1, &fl, 8); out.flags = after; goto done; }

#define MEMOPS(M, s, suffix) M(add##suffix, "fadd" s) M(mul##suffix, "fmul" s) M(com##suffix, "fcom" s) \
  M(sub##suffix, "fsub" s) M(subr##suffix, "fsubr" s) M(div##suffix, "fdiv" s) M(divr##suffix, "fdivr" s)
#define IMEMOPS(M, s, suffix) M(add##suffix, "fiadd" s) M(mul##suffix, "fimul" s) M(com##suffix, "ficom" s) \
  M(sub##suffix, "fisub" s) M(subr##suffix, "fisubr" s) M(div##suffix, "fidiv" s) M(divr##suffix, "fidivr" s)

#define REG_OPS(M) M(f80_add, ".byte 0xd8,0xc1") M(f80_mul, ".byte 0xd8,0xc9") M(f80_compare, ".byte 0xd8,0xd1") \
  M(f80_sub, ".byte 0xd8,0xe1") M(f80_div, ".byte 0xd8,0xf1") M(f80_compare_unordered, ".byte 0xdd,0xe1") \
  M(f80_sqrt, ".byte 0xd9,0xfa") M(f80_round_int, ".byte 0xd9,0xfc") M(f80_scale, ".byte 0xd9,0xfd") \
  M(f80_rem, ".byte 0xd9,0xf8") M(f80_rem1, ".byte 0xd9,0xf5") M(f80_extract, ".byte 0xd9,0xf4") \
  M(f80_test, ".byte 0xd9,0xe4") M(f80_examine, ".byte 0xd9,0xe5") M(f80_f2xm1, ".byte 0xd9,0xf0") \
  M(f80_yl2x, ".byte 0xd9,0xf1") M(f80_yl2xp1, ".byte 0xd9,0xf9") M(f80_ptan, ".byte 0xd9,0xf2") \
  M(f80_patan, ".byte 0xd9,0xf3") M(f80_sin, ".byte 0xd9,0xfe") M(f80_cos, ".byte 0xd9,0xff") \
  M(f80_sincos, ".byte 0xd9,0xfb") M(f80_fcomi, ".byte 0xdb,0xf1")
#define MEM_OPS(M) MEMOPS(M, "s (%3)", _f32) MEMOPS(M, "l (%3)", _f64) IMEMOPS(M, "s (%3)", _i16) IMEMOPS(M, "l (%3)", _i32)
#define LOAD_OPS(M) M(from_f32, "flds (%2)") M(from_f64, "fldl (%2)") M(from_i16, "filds (%2)") M(from_i32, "fildl (%2)") \
  M(from_i64, "fildll (%2)") M(from_bcd, "fbld (%2)") M(constant_0, "fld1") M(constant_1, "fldl2t") M(constant_2, "fldl2e") \
  M(constant_3, "fldpi") M(constant_4, "fldlg2") M(constant_5, "fldln2") M(constant_6, "fldz")
#define STORE_OPS(M) M(to_f32, "fsts (%3)") M(to_f64, "fstl (%3)") M(to_i16, "fists (%3)") M(to_i32, "fistl (%3)") \
  M(to_i64, "fistpll (%3)") M(trunc_i16, "fisttps (%3)") M(trunc_i32, "fisttpl (%3)") M(trunc_i64, "fisttpll (%3)") \
  M(to_bcd, "fbstp (%3)")
#define FOUR(M, n) M(n##_ps, #n "ps %4, %0") M(n##_ss, #n "ss %4, %0") M(n##_pd, #n "pd %4, %0") M(n##_sd, #n "sd %4, %0")
#define CMP(M, i) M(cmp_ps_##i, "cmpps $" #i ", %4, %0") M(cmp_ss_##i, "cmpss $" #i ", %4, %0") \
  M(cmp_pd_##i, "cmppd $" #i ", %4, %0") M(cmp_sd_##i, "cmpsd $" #i ", %4, %0")
#define ROUND(M, i) M(round_ps_##i, "roundps $" #i ", %4, %0") M(round_ss_##i, "roundss $" #i ", %4, %0") \
  M(round_pd_##i, "roundpd $" #i ", %4, %0") M(round_sd_##i, "roundsd $" #i ", %4, %0")
#define TWO(M, n) M(n, #n " %4, %0")
#define GPR(M, n) M(n, #n " %4, %k1") M(n##64, #n " %4, %q1")
#define SSE_OPS(M) FOUR(M, add) FOUR(M, sub) FOUR(M, mul) FOUR(M, div) FOUR(M, min) FOUR(M, max) FOUR(M, sqrt) \
  CMP(M, 0) CMP(M, 1) CMP(M, 2) CMP(M, 3) CMP(M, 4) CMP(M, 5) CMP(M, 6) CMP(M, 7) \
  ROUND(M, 0) ROUND(M, 1) ROUND(M, 2) ROUND(M, 3) ROUND(M, 4) ROUND(M, 8) ROUND(M, 12) \
  M(addsub_ps, "addsubps %4, %0") M(addsub_pd, "addsubpd %4, %0") M(hadd_ps, "haddps %4, %0") M(hadd_pd, "haddpd %4, %0") \
  M(hsub_ps, "hsubps %4, %0") M(hsub_pd, "hsubpd %4, %0") \
  M(dp_ps_255, "dpps $255, %4, %0") M(dp_ps_113, "dpps $113, %4, %0") M(dp_ps_90, "dpps $90, %4, %0") \
  M(dp_pd_51, "dppd $51, %4, %0") M(dp_pd_18, "dppd $18, %4, %0") \
  M(rcp_ps, "rcpps %4, %0") M(rsqrt_ps, "rsqrtps %4, %0") \
  TWO(M, cvtps2pd) TWO(M, cvtpd2ps) TWO(M, cvtss2sd) TWO(M, cvtsd2ss) TWO(M, cvtdq2ps) TWO(M, cvtps2dq) TWO(M, cvttps2dq) \
  TWO(M, cvtdq2pd) TWO(M, cvtpd2dq) TWO(M, cvttpd2dq) \
  M(cvtpi2ps, "movdq2q %4, %%mm0\n cvtpi2ps %%mm0, %0") M(cvtpi2pd, "movdq2q %4, %%mm0\n cvtpi2pd %%mm0, %0") \
  M(cvtps2pi, "cvtps2pi %4, %%mm0\n movq %%mm0, %1") M(cvttps2pi, "cvttps2pi %4, %%mm0\n movq %%mm0, %1") \
  M(cvtpd2pi, "cvtpd2pi %4, %%mm0\n movq %%mm0, %1") M(cvttpd2pi, "cvttpd2pi %4, %%mm0\n movq %%mm0, %1") \
  GPR(M, cvtss2si) GPR(M, cvttss2si) GPR(M, cvtsd2si) GPR(M, cvttsd2si) \
  M(cvtsi2ss, "movq %4, %1\n cvtsi2ssl %k1, %0") M(cvtsi2ss64, "movq %4, %1\n cvtsi2ssq %1, %0") \
  M(cvtsi2sd, "movq %4, %1\n cvtsi2sdl %k1, %0") M(cvtsi2sd64, "movq %4, %1\n cvtsi2sdq %1, %0") \
  M(comiss, "comiss %4, %0\n pushfq\n popq %1") M(ucomiss, "ucomiss %4, %0\n pushfq\n popq %1") \
  M(comisd, "comisd %4, %0\n pushfq\n popq %1") M(ucomisd, "ucomisd %4, %0\n pushfq\n popq %1")

#define NAME(n, t) OP_##n,
enum { REG_OPS(NAME) MEM_OPS(NAME) LOAD_OPS(NAME) STORE_OPS(NAME) SSE_OPS(NAME) OP_COUNT };
#define TEXT(n, t) #n,
static const char *const names[] = { REG_OPS(TEXT) MEM_OPS(TEXT) LOAD_OPS(TEXT) STORE_OPS(TEXT) SSE_OPS(TEXT) };

#define CASE_REG(n, t) case OP_##n: X87(t)
#define CASE_MEM(n, t) case OP_##n: X87M(t)
#define CASE_LOAD(n, t) case OP_##n: X87L(t)
#define CASE_STORE(n, t) case OP_##n: X87S(t)
#define CASE_SSE(n, t) case OP_##n: SSE(t)

static uint32_t after;
static void run(void) {
  memset(&out, 0, sizeof out);
  after = in.control;
  switch (in.op) {
    REG_OPS(CASE_REG) MEM_OPS(CASE_MEM) LOAD_OPS(CASE_LOAD) STORE_OPS(CASE_STORE) SSE_OPS(CASE_SSE)
  }
  return;
x87:
  memcpy(out.r0, save.st[0], 10);
  memcpy(out.r1, save.st[1], 10);
  out.flags = save.sw & 0xffff;
  out.tag = save.tw & 0xffff;
  memcpy(out.mem, mem, 16);
done:
  return;
}

int main(int argc, char **argv) {
  struct sigaction act;
  (void)argv;
  if (argc > 1) {
    for (int i = 0; i < OP_COUNT; i++) puts(names[i]);
    return 0;
  }
  memset(&act, 0, sizeof act);
  act.sa_sigaction = on_fpe;
  act.sa_flags = SA_SIGINFO | SA_NODEFER;
  sigaction(SIGFPE, &act, 0);
  while (fread(&in, sizeof in, 1, stdin) == 1) {
    run();
    fwrite(&out, sizeof out, 1, stdout);
  }
  return 0;
}
