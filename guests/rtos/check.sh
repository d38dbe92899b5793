#!/bin/sh
# Boots the image in qemu-system-i386, types every command and checks the answers.
# Usage: check.sh IMAGE. Prints a reason and succeeds where QEMU is not installed.
set -u
image=$1
command -v qemu-system-i386 >/dev/null || { echo "skipped: qemu-system-i386 is not installed"; exit 0; }
work=$(mktemp -d)
qemu=
trap '[ -z "$qemu" ] || kill "$qemu" 2>/dev/null; rm -rf "$work"' EXIT
failed=0

# start CPU CMDLINE: boots and waits for the prompt.
start() {
  rm -f "$work/in" "$work/out"
  mkfifo "$work/in"
  : >"$work/out"
  qemu-system-i386 -cpu "$1" -kernel "$image" -append "$2" -m 8 -display none -serial stdio -monitor none \
    -no-reboot -device isa-debug-exit,iobase=0xf4,iosize=4 <"$work/in" >"$work/out" 2>&1 &
  qemu=$!
  exec 3>"$work/in"
  await 'rtos> '
}
# await PATTERN: up to 60 s.
await() {
  n=0
  until grep -q -- "$1" "$work/out"; do
    n=$((n + 1))
    [ $n -lt 600 ] || { echo "FAIL: no '$1' in:"; cat "$work/out"; exit 1; }
    sleep 0.1
  done
}
expect() { # expect WHAT PATTERN
  if grep -q -- "$2" "$work/out"; then echo "ok: $1"; else echo "FAIL: $1: no '$2'"; failed=1; fi
}
# finish STATUS: waits for QEMU's end and checks its exit status.
finish() {
  exec 3>&-
  wait "$qemu"
  status=$?
  qemu=
  [ $status -eq "$1" ] && echo "ok: exit status $1" || { echo "FAIL: exit status $status, expected $1"; failed=1; }
}

for cpu in qemu32 pentium pentium3; do
  echo "== processor $cpu"
  start "$cpu" "load=10"
  printf 'help\ri\rtick\rspy\rlat\rlat reset\rlat\rmq\rpi\rfp\rtest\rfault\rload 5\rload 101\rmem\rxyz\rvexs\b\brsion\r\npoweroff\r' >&3
  await 'poweroff: debug exit'
  expect banner 'Pcanel RTOS [0-9.]*: 8254 at 1000 Hz, TSC [0-9.]* MHz'
  expect 'task list' 'tPeriodic .* 10  10 PEND'
  expect load 'tLoad .* 200 200'
  expect tick 'tick: [0-9]'
  expect spy '(interrupts)  *[0-9.]* %'
  expect latency 'timer to task: min [0-9.]* avg [0-9.]* max'
  expect 'latency reset' 'lat: reset'
  expect 'message queue' 'errors 0'
  expect inheritance 'pi: PASS'
  expect 'fpu context' 'fp: PASS'
  expect self-test 'test: PASS'
  expect 'null pointer' 'write of 00000008: page not present'
  expect 'fault is contained' 'tFault was caught'
  expect 'bad argument' "load: '101': expected a percentage from 0 to 100"
  expect 'unknown command' 'xyz: unknown command'
  expect 'line editing' 'Pcanel RTOS [0-9.]*, 1000 Hz'
  ! grep -q FAIL "$work/out" || { echo "FAIL: the guest reports"; grep -a 'FAIL\|failed' "$work/out"; failed=1; }
  finish 1
done

echo "== command line"
start qemu32 "quiet hz=100 load=abc"
printf 'poweroff\r' >&3
await 'poweroff: debug exit'
expect 'tick rate' '8254 at 100 Hz'
expect 'bad option' "cmdline: 'load=abc': expected"
! grep -q 'pi:' "$work/out" || { echo "FAIL: quiet"; failed=1; }
finish 1

for command in panic reboot; do
  echo "== $command"
  start qemu32 quiet
  printf '%s\r' "$command" >&3
  finish 0
done

echo "== hang"
start qemu32 quiet
printf 'hang\rtick\r' >&3
await 'hang: looping'
sleep 1
! grep -q 'tick: ' "$work/out" || { echo "FAIL: still alive"; failed=1; }
kill "$qemu"
wait "$qemu" 2>/dev/null
qemu=
exec 3>&-
[ $failed -eq 0 ] && echo "all checks passed"
exit $failed
