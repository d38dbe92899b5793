/* Integer programs: lists, matrices, sieve, hashing, sorting, interpretation, branches, division, recursion. */
#include "bench.h"
/* ---------- coremark-like: list + matrix + state machine + crc16 ---------- */
static u16 crc16(u16 c,u8 d){ for(int i=0;i<8;i++){ u8 x=(d^c)&1; d>>=1; c>>=1; if(x) c^=0xA001; } return c; }
static u16 crcu32(u32 v,u16 c){ for(int i=0;i<4;i++) c=crc16(c,v>>(8*i)); return c; }
struct node { struct node *next; i32 val; i32 idx; };
#define NL 256
static struct node pool[NL]; 
static struct node* NOINLINE list_init(u32 *s){ for(int i=0;i<NL;i++){ pool[i].val=rnd(s)&0x7fff; pool[i].idx=i; pool[i].next= i+1<NL? &pool[i+1]:0; } return pool; }
static int cmp_val(struct node*a,struct node*b){ return a->val-b->val; }
static int cmp_idx(struct node*a,struct node*b){ return a->idx-b->idx; }
typedef int (*ncmp)(struct node*,struct node*);
static struct node* NOINLINE list_sort(struct node*l,ncmp f){ /* bottom-up merge sort */
  int insize=1;
  for(;;){ struct node*p=l,*tail=0; l=0; int merges=0;
    while(p){ merges++; struct node*q=p; int ps=0; for(int i=0;i<insize;i++){ ps++; q=q->next; if(!q)break; } int qs=insize;
      while(ps>0||(qs>0&&q)){ struct node*e;
        if(ps==0){ e=q;q=q->next;qs--; } else if(qs==0||!q){ e=p;p=p->next;ps--; }
        else if(f(p,q)<=0){ e=p;p=p->next;ps--; } else { e=q;q=q->next;qs--; }
        if(tail) tail->next=e; else l=e; tail=e; }
      p=q; }
    tail->next=0; if(merges<=1) return l; insize*=2; } }
static struct node* NOINLINE list_rev(struct node*l){ struct node*r=0; while(l){ struct node*n=l->next; l->next=r; r=l; l=n; } return r; }
static struct node* NOINLINE list_find(struct node*l,i32 v){ while(l && l->val!=v) l=l->next; return l; }
#define NM 24
static short MA[NM][NM],MB[NM][NM]; static i32 MC[NM][NM];
static i32 NOINLINE matrix(i32 k){
  for(int i=0;i<NM;i++)for(int j=0;j<NM;j++){ MA[i][j]=(short)(i*7+j*3+k); MB[i][j]=(short)(i*5-j+k*2); }
  for(int i=0;i<NM;i++)for(int j=0;j<NM;j++){ i32 s=0; for(int n=0;n<NM;n++) s+=(i32)MA[i][n]*(i32)MB[n][j]; MC[i][j]=s; }
  i32 r=0; for(int i=0;i<NM;i++)for(int j=0;j<NM;j++){ i32 t=MC[i][j]; r+= ((t>>2)&15)*((t>>5)&127); if(r>1000000) r-=999983; }
  return r; }
static const char* const toks[]={"5012","1234","-874","+122","35.54400",".1234500","-110.700","+0.64400","5.500e+3","-.123e-2","-87e+832","+0.6e-12","T0.3e-1F","-T.T++Tq","1T3.4e4z","34.0e-T^"};
enum {ST_START,ST_INV,ST_S1,ST_INT,ST_FLOAT,ST_S2,ST_EXP,ST_SCI,NST};
static u32 counts[NST];
static int NOINLINE state(const char**pp){ const char*p=*pp; int st=ST_START;
  for(;*p && st!=ST_INV;p++){ char c=*p; if(c==','){p++;break;}
    switch(st){
      case ST_START: st = (c>='0'&&c<='9')?ST_INT:(c=='+'||c=='-')?ST_S1:c=='.'?ST_FLOAT:ST_INV; break;
      case ST_S1: st=(c>='0'&&c<='9')?ST_INT:c=='.'?ST_FLOAT:ST_INV; break;
      case ST_INT: if(c=='.')st=ST_FLOAT; else if(!(c>='0'&&c<='9'))st=ST_INV; break;
      case ST_FLOAT: if(c=='e'||c=='E')st=ST_S2; else if(!(c>='0'&&c<='9'))st=ST_INV; break;
      case ST_S2: st=(c=='+'||c=='-')?ST_EXP:ST_INV; break;
      case ST_EXP: st=(c>='0'&&c<='9')?ST_SCI:ST_INV; break;
      case ST_SCI: if(!(c>='0'&&c<='9'))st=ST_INV; break; }
    counts[st]++; }
  while(*p && st==ST_INV && p[-1]!=',') p++;
  *pp=p; return st; }
static char text[2048];
static void core_setup(unsigned d){ u32 s=99; char*p=text; while(p-text<2000){ const char*t=toks[rnd(&s)&15]; size_t n=strlen(t); memcpy(p,t,n); p+=n; *p++=','; } *p=0; }
static u64 core_run(unsigned div){
  u16 crc=0xffff; u32 s=1; u32 acc=0;
  for(unsigned it=0; it<2400/div; it++){
    struct node*l=list_init(&s);
    l=list_sort(l,cmp_val); l=list_rev(l);
    for(int k=0;k<40;k++){ struct node*f=list_find(l,pool[(k*13+it)&(NL-1)].val); if(f) acc+=f->idx; }
    l=list_sort(l,cmp_idx);
    crc=crcu32(l->val,crc);
    crc=crcu32(matrix(it),crc);
    const char*p=text; while(*p) acc+=state(&p);
    for(int i=0;i<NST;i++) crc=crcu32(counts[i],crc);
    crc=crcu32(acc,crc);
  }
  return ((u64)crc<<32)|acc; }
/* ---------- sieve ---------- */
#define SV 4000000
static u8 sv[SV];
static u64 sieve_run(unsigned div){ u64 r=0; u32 n=SV/div;
  for(int k=0;k<8;k++){ memset(sv,1,n); u32 c=0; for(u32 i=2;i<n;i++) if(sv[i]){ c++; if(i<65536) for(u32 j=i*i;j<n && j>=i;j+=i) sv[j]=0; } r+=c*(k+1); } return r; }
/* ---------- sha256 ---------- */
static const u32 K[64]={0x428a2f98,0x71374491,0xb5c0fbcf,0xe9b5dba5,0x3956c25b,0x59f111f1,0x923f82a4,0xab1c5ed5,0xd807aa98,0x12835b01,0x243185be,0x550c7dc3,0x72be5d74,0x80deb1fe,0x9bdc06a7,0xc19bf174,0xe49b69c1,0xefbe4786,0x0fc19dc6,0x240ca1cc,0x2de92c6f,0x4a7484aa,0x5cb0a9dc,0x76f988da,0x983e5152,0xa831c66d,0xb00327c8,0xbf597fc7,0xc6e00bf3,0xd5a79147,0x06ca6351,0x14292967,0x27b70a85,0x2e1b2138,0x4d2c6dfc,0x53380d13,0x650a7354,0x766a0abb,0x81c2c92e,0x92722c85,0xa2bfe8a1,0xa81a664b,0xc24b8b70,0xc76c51a3,0xd192e819,0xd6990624,0xf40e3585,0x106aa070,0x19a4c116,0x1e376c08,0x2748774c,0x34b0bcb5,0x391c0cb3,0x4ed8aa4a,0x5b9cca4f,0x682e6ff3,0x748f82ee,0x78a5636f,0x84c87814,0x8cc70208,0x90befffa,0xa4506ceb,0xbef9a3f7,0xc67178f2};
#define ROR(x,n) (((x)>>(n))|((x)<<(32-(n))))
static void NOINLINE sha_block(u32*h,const u8*p){ u32 w[64];
  for(int i=0;i<16;i++) w[i]=(u32)p[4*i]<<24|(u32)p[4*i+1]<<16|(u32)p[4*i+2]<<8|p[4*i+3];
  for(int i=16;i<64;i++){ u32 a=w[i-15],b=w[i-2]; w[i]=w[i-16]+w[i-7]+(ROR(a,7)^ROR(a,18)^(a>>3))+(ROR(b,17)^ROR(b,19)^(b>>10)); }
  u32 a=h[0],b=h[1],c=h[2],d=h[3],e=h[4],f=h[5],g=h[6],hh=h[7];
  for(int i=0;i<64;i++){ u32 t1=hh+(ROR(e,6)^ROR(e,11)^ROR(e,25))+((e&f)^(~e&g))+K[i]+w[i]; u32 t2=(ROR(a,2)^ROR(a,13)^ROR(a,22))+((a&b)^(a&c)^(b&c)); hh=g;g=f;f=e;e=d+t1;d=c;c=b;b=a;a=t1+t2; }
  h[0]+=a;h[1]+=b;h[2]+=c;h[3]+=d;h[4]+=e;h[5]+=f;h[6]+=g;h[7]+=hh; }
#define SHB (1<<20)
static u8 shb[SHB];
static void sha_setup(unsigned d){ u32 s=7; for(int i=0;i<SHB;i++) shb[i]=rnd(&s); }
static u64 sha_run(unsigned div){ u32 h[8]={0x6a09e667,0xbb67ae85,0x3c6ef372,0xa54ff53a,0x510e527f,0x9b05688c,0x1f83d9ab,0x5be0cd19};
  u32 blocks=20*(SHB/64)/div; for(u32 i=0;i<blocks;i++) sha_block(h,shb+(i*64&(SHB-1))); return (u64)h[0]<<32|h[7]; }
/* ---------- qsort 1M ints ---------- */
static int *qa; static u32 qn;
static void qs_setup(unsigned d){ qn=1000000/d; qa=malloc(qn*4); u32 s=5; for(u32 i=0;i<qn;i++) qa[i]=(int)(rnd(&s)^(rnd(&s)<<12)); }
static int qcmp(const void*a,const void*b){ int x=*(const int*)a,y=*(const int*)b; return x<y?-1:x>y; }
static u64 qs_run(unsigned d){ qsort(qa,qn,4,qcmp); u64 h=0; for(u32 i=0;i<qn;i+=97) h=h*31+(u32)qa[i]; return h; }
/* ---------- bytecode interpreter ---------- */
enum {PUSH,ADD,SUB,MUL,AND,XOR,SHR,LD,ST,DUP,DROP,SWAP,JZ,JMP,LT,INC,LDA,STA,OVER,HALT};
static i32 arr[256];
static i32 NOINLINE vm(const i32*code,i32 n){
  i32 st[64],*sp=st,loc[16]={0}; const i32*pc=code; loc[0]=n;
  for(;;) switch(*pc++){
    case PUSH: *sp++=*pc++; break;
    case ADD: sp--; sp[-1]+=sp[0]; break;
    case SUB: sp--; sp[-1]-=sp[0]; break;
    case MUL: sp--; sp[-1]=(i32)((u32)sp[-1]*(u32)sp[0]); break;
    case AND: sp--; sp[-1]&=sp[0]; break;
    case XOR: sp--; sp[-1]^=sp[0]; break;
    case SHR: sp--; sp[-1]=(i32)((u32)sp[-1]>>(sp[0]&31)); break;
    case LD: *sp++=loc[*pc++]; break;
    case ST: loc[*pc++]=*--sp; break;
    case DUP: sp[0]=sp[-1]; sp++; break;
    case DROP: sp--; break;
    case SWAP: { i32 t=sp[-1]; sp[-1]=sp[-2]; sp[-2]=t; } break;
    case JZ: if(*--sp==0) pc=code+*pc; else pc++; break;
    case JMP: pc=code+*pc; break;
    case LT: sp--; sp[-1]=sp[-1]<sp[0]; break;
    case INC: loc[*pc++]++; break;
    case LDA: sp[-1]=arr[sp[-1]&255]; break;
    case STA: sp-=2; arr[sp[1]&255]=sp[0]; break;
    case OVER: sp[0]=sp[-2]; sp++; break;
    case HALT: return loc[2];
    default: __builtin_unreachable(); } }
static const i32 prog[]={
 /*0*/ PUSH,1,ST,1, PUSH,12345,ST,2,           /* i=1; acc=12345 */
 /*8*/ LD,1,LD,0,LT,JZ,57,                      /* while i<n */
 /*15*/LD,2,PUSH,1103515245,MUL,PUSH,12345,ADD,DUP,ST,2, /* acc=lcg */
 /*26*/PUSH,16,SHR,LD,1,XOR,LD,1,STA,           /* arr[i]=(acc>>16)^i */
 /*35*/LD,2,PUSH,7,AND,LDA,LD,2,XOR,ST,2,       /* acc^=arr[acc&7] */
 /*45*/LD,1,PUSH,1,AND,JZ,53,INC,3,             /* if(i&1) loc3++ */
 /*54-*/ INC,1,JMP,8, HALT };
static u64 interp_run(unsigned d){ /* offsets fixed up at run time so the table above stays readable */
  static i32 p[sizeof prog/4]; memcpy(p,prog,sizeof prog); int n=sizeof prog/4;
  /* locate: JZ end -> HALT index, JZ odd -> INC,1 index */
  p[14]=n-1; for(int i=45;i<n;i++) if(p[i]==JZ){ p[i+1]=n-5; break; }
  return (u32)vm(p,2000000/d); }
/* ---------- recursive fib ---------- */
static u32 NOINLINE fib(u32 n){ __asm__ volatile(""); return n<2?n:fib(n-1)+fib(n-2); }
static u64 fib_run(unsigned d){ u64 r=0; for(int k=0;k<8;k++) r=r*3+fib(d>=8?26:32); return r; }
/* ---------- branchy: unpredictable data-dependent conditional branches ---------- */
static u64 branch_run(unsigned d){ u32 x=1,a=0,b=0,c=0; u32 n=30000000/d; for(u32 i=0;i<n;i++){ x^=x<<13; x^=x>>17; x^=x<<5; if(x&1){ a+=x; if(x&16) b^=a; else c++; } else { b+=i; if(x&64) a^=c; else if(x&1024) c+=b; } __asm__ volatile(""::: "memory"); } return ((u64)a<<32)^b^c; }
/* ---------- 64-bit integer mul/div ---------- */
static u64 NOINLINE md64(u64 a,u64 b){ return a/b+a%b; }
static u64 div_run(unsigned d){ u64 a=0x123456789abcdefull,s=0; u32 n=6000000/d; for(u32 i=1;i<=n;i++){ a=a*6364136223846793005ull+1442695040888963407ull; s+=md64(a,(a>>40)|1); s^=(u32)a/(i|1); } return s; }
struct bench b_core[]={ {"coremark",core_setup,core_run},{"sieve",0,sieve_run},{"sha256",sha_setup,sha_run},{"qsort",qs_setup,qs_run},{"interp",0,interp_run},{"branch",0,branch_run},{"div64",0,div_run},{"fib",0,fib_run},{0} };
