/* Programs for SSE and SSE2. */
#include "bench.h"
#include <emmintrin.h>
#include "nbody.inc"
static u64 nbs(unsigned d){ return nb_run_n(200000/d); }
static u64 mandel(unsigned d){ int N=320; u32 it=0; int rows=N/d; if(rows<4)rows=4;
 for(int y=0;y<rows;y++)for(int x=0;x<N;x++){ double cr=2.0*x/N-1.5,ci=2.0*(y*(N/rows))/N-1.0,zr=0,zi=0; int k=0; for(;k<200;k++){ double a=zr*zr,b=zi*zi; if(a+b>4.0)break; zi=2*zr*zi+ci; zr=a-b+cr; } it=it*33+k; } return it; }
static u64 mandel_ps(unsigned d){ int N=448; u32 acc=0; int rows=N/d; if(rows<4)rows=4;
 for(int y=0;y<rows;y++)for(int x=0;x<N;x+=4){ __m128 cr=_mm_sub_ps(_mm_mul_ps(_mm_set_ps(x+3,x+2,x+1,x),_mm_set1_ps(2.0f/N)),_mm_set1_ps(1.5f)); __m128 ci=_mm_set1_ps(2.0f*(y*(N/rows))/N-1.0f); __m128 zr=_mm_setzero_ps(),zi=zr; __m128i cnt=_mm_setzero_si128();
  for(int k=0;k<200;k++){ __m128 a=_mm_mul_ps(zr,zr),b=_mm_mul_ps(zi,zi); __m128 m=_mm_cmple_ps(_mm_add_ps(a,b),_mm_set1_ps(4.0f)); if(!_mm_movemask_ps(m))break; cnt=_mm_sub_epi32(cnt,_mm_castps_si128(m)); __m128 t=_mm_mul_ps(zr,zi); zi=_mm_add_ps(_mm_add_ps(t,t),ci); zr=_mm_add_ps(_mm_sub_ps(a,b),cr); }
  u32 o[4]; _mm_storeu_si128((__m128i*)o,cnt); acc=acc*33+o[0]+7*o[1]+31*o[2]+127*o[3]; } return acc; }
struct bench b_floatsse[]={ {"nbody_sse2",nb_init,nbs},{"mandel_sse2",0,mandel},{"mandel_ps",0,mandel_ps},{0} };
