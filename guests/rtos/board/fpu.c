// x87 and SSE state of tasks, switched lazily through CR0.TS and #NM.
// Intel SDM 3A "Saving the x87 FPU, SSE and Extended States on Task or Context Switches"; SDM 2A "FXSAVE", "FSAVE/FNSAVE".
#include <board/board.h>
#include <board/cpu.h>
#include <kernel/kernel.h>

#define MXCSR_RESET 0x1f80u

static bool present, fxsave, sse;
static bool taskSwitched = true; /* copy of CR0.TS, to write CR0 only on a change */
static Tcb *owner;               /* the task whose state is in the registers */

static void setTaskSwitched(bool set)
{
  if (set == taskSwitched)
    return;
  taskSwitched = set;
  if (set)
    writeCr0(readCr0() | CR0_TS);
  else
    __asm__ volatile("clts");
}

void fpuInit(void)
{
  uint32_t features = cpuidFeatures();
  present = features & CPUID1_EDX_FPU;
  fxsave = features & CPUID1_EDX_FXSR;
  sse = fxsave && (features & CPUID1_EDX_SSE);
  if (!present) {
    writeCr0(readCr0() | CR0_EM);
    return;
  }
  if (fxsave)
    writeCr4(readCr4() | CR4_OSFXSR | (sse ? CR4_OSXMMEXCPT : 0));
  writeCr0((readCr0() & ~(CR0_EM | CR0_TS)) | CR0_MP | CR0_NE);
  __asm__ volatile("fninit");
  writeCr0(readCr0() | CR0_TS);
}

const char *fpuName(void) { return !present ? "none" : sse ? "x87 and SSE, fxsave" : fxsave ? "x87, fxsave" : "x87, fnsave"; }
bool fpuPresent(void) { return present; }
bool fpuHasSse(void) { return sse; }

void fpuSwitchTo(struct tcb *next) { setTaskSwitched(next != owner); }

void fpuForget(struct tcb *task)
{
  if (owner != task)
    return;
  owner = NULL;
  setTaskSwitched(true);
}

bool fpuDeviceNotAvailable(void)
{
  if (!present || !currentTask)
    return false;
  setTaskSwitched(false);
  if (owner == currentTask)
    return true;
  if (owner) {
    if (fxsave)
      __asm__ volatile("fxsave %0" : "=m"(owner->fpuArea));
    else
      __asm__ volatile("fnsave %0" : "=m"(owner->fpuArea));
    owner->fpuValid = true;
  }
  owner = currentTask;
  if (!owner->fpuValid) {
    uint32_t mxcsr = MXCSR_RESET;
    __asm__ volatile("fninit");
    if (sse)
      __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
  } else if (fxsave) {
    __asm__ volatile("fxrstor %0" : : "m"(owner->fpuArea));
  } else {
    __asm__ volatile("frstor %0" : : "m"(owner->fpuArea));
  }
  return true;
}
