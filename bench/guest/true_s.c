/* A program that only ends, for the measurement of fork and exec. */
int main(void){ return 42; }
