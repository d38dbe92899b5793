// Freestanding text and memory routines, and 64-by-32-bit division without libgcc.
#include <rtos.h>

void *memcpy(void *to, const void *from, size_t bytes)
{
  void *result = to;
  __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
  return result;
}

void *memset(void *to, int value, size_t bytes)
{
  void *result = to;
  __asm__ volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(value) : "memory");
  return result;
}

int memcmp(const void *a, const void *b, size_t bytes)
{
  const uint8_t *x = a, *y = b;
  for (; bytes; bytes--, x++, y++)
    if (*x != *y)
      return *x - *y;
  return 0;
}

size_t strlen(const char *text)
{
  const char *end = text;
  while (*end)
    end++;
  return (size_t)(end - text);
}

int strcmp(const char *a, const char *b)
{
  while (*a && *a == *b)
    a++, b++;
  return (uint8_t)*a - (uint8_t)*b;
}

int strncmp(const char *a, const char *b, size_t bytes)
{
  for (; bytes; bytes--, a++, b++) {
    if (*a != *b)
      return (uint8_t)*a - (uint8_t)*b;
    if (!*a)
      break;
  }
  return 0;
}

bool parseUnsigned(const char *text, uint32_t *value)
{
  uint32_t result = 0;
  if (!*text)
    return false;
  for (; *text; text++) {
    if (*text < '0' || *text > '9' || result > 99999999)
      return false;
    result = result * 10 + (uint32_t)(*text - '0');
  }
  *value = result;
  return true;
}

static uint64_t divide(uint64_t dividend, uint32_t divisor, uint32_t *remainder)
{
  uint32_t high = (uint32_t)(dividend >> 32), low = (uint32_t)dividend;
  uint32_t quotientHigh = high / divisor, quotientLow, rest = high % divisor;
  __asm__("divl %4" : "=a"(quotientLow), "=d"(rest) : "0"(low), "1"(rest), "r"(divisor));
  *remainder = rest;
  return (uint64_t)quotientHigh << 32 | quotientLow;
}

uint64_t udiv64(uint64_t dividend, uint32_t divisor)
{
  uint32_t remainder;
  return divide(dividend, divisor, &remainder);
}

typedef struct {
  char *at, *end; /* end leaves room for the terminator */
  int length;
} Out;

static void put(Out *out, char c)
{
  if (out->at < out->end)
    *out->at++ = c;
  out->length++;
}

static void putPadded(Out *out, const char *text, int length, int width, bool left, char pad)
{
  for (int n = width - length; !left && n > 0; n--)
    put(out, pad);
  for (int i = 0; i < length; i++)
    put(out, text[i]);
  for (int n = width - length; left && n > 0; n--)
    put(out, ' ');
}

/* Writes digits backwards from `end`; returns the first. */
static char *digits(char *end, uint64_t value, uint32_t base)
{
  do {
    uint32_t remainder;
    value = divide(value, base, &remainder);
    *--end = "0123456789abcdef"[remainder];
  } while (value);
  return end;
}

/* Knows %d %u %x %s %c %p %%, with '-', '0', width, and the sizes l and ll. */
int vsnprintf(char *buffer, size_t size, const char *format, va_list args)
{
  Out out = { buffer, size ? buffer + size - 1 : buffer, 0 };
  for (; *format; format++) {
    if (*format != '%') {
      put(&out, *format);
      continue;
    }
    bool left = false;
    char pad = ' ';
    int width = 0, longs = 0;
    for (format++; *format == '-' || *format == '0'; format++) {
      if (*format == '-')
        left = true;
      else
        pad = '0';
    }
    for (; *format >= '0' && *format <= '9'; format++)
      width = width * 10 + *format - '0';
    for (; *format == 'l'; format++)
      longs++;
    char number[24], *end = number + sizeof number, *first = end;
    switch (*format) {
    case 'd': {
      int64_t value = longs >= 2 ? va_arg(args, int64_t) : va_arg(args, int);
      first = digits(end, value < 0 ? -(uint64_t)value : (uint64_t)value, 10);
      if (value < 0)
        *--first = '-';
      putPadded(&out, first, end - first, width, left, pad);
      break;
    }
    case 'u':
    case 'x': {
      uint64_t value = longs >= 2 ? va_arg(args, uint64_t) : va_arg(args, uint32_t);
      first = digits(end, value, *format == 'u' ? 10 : 16);
      putPadded(&out, first, end - first, width, left, pad);
      break;
    }
    case 'p':
      first = digits(end, (uintptr_t)va_arg(args, void *), 16);
      putPadded(&out, first, end - first, width ? width : 8, left, '0');
      break;
    case 's': {
      const char *text = va_arg(args, const char *);
      putPadded(&out, text, (int)strlen(text), width, left, ' ');
      break;
    }
    case 'c':
      put(&out, (char)va_arg(args, int));
      break;
    case '%':
      put(&out, '%');
      break;
    default:
      put(&out, '?');
      if (!*format)
        format--;
    }
  }
  if (size)
    *out.at = 0;
  return out.length;
}

int snprintf(char *buffer, size_t size, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  int length = vsnprintf(buffer, size, format, args);
  va_end(args);
  return length;
}
