/* Programs for the x87 unit. */
#include "bench.h"
#include "nbody.inc"
static u64 nb87(unsigned d){ return nb_run_n(40000/d); }
/* transcendental x87 */
static u64 trig87(unsigned d){ double s=0; u32 n=1000000/d; for(u32 i=1;i<=n;i++){ double x=i*0.001,r; __asm__("fsin":"=t"(r):"0"(x)); s+=r; __asm__("fcos":"=t"(r):"0"(x)); s-=r*0.5; float f=(float)s; s=s*0.999+f*0.001; } return (u64)(int64_t)(s*1e6); }
struct bench b_float87[]={ {"nbody_x87",nb_init,nb87},{"trig_x87",0,trig87},{0} };
