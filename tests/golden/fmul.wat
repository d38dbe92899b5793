;; fmul st0,st1: 130 instructions
local.get 23
local.get 0
i32.load offset=2388
i32.const 128
i32.and
i32.eqz
i32.and
i32.eqz
if
  local.get 0
  local.get 18
  i32.const 131074
  call $note_position
  call $fpu_check
  if
    br 2
  end
end
local.get 0
i32.load offset=2388
local.set 24
local.get 0
i32.load offset=2392
local.tee 25
i32.const 8
i32.shl
local.get 25
i32.or
local.get 24
i32.const 11
i32.shr_u
i32.const 7
i32.and
i32.shr_u
local.set 25
local.get 0
i32.load offset=2384
i32.const 3903
i32.and
i32.const 831
i32.eq
local.set 26
local.get 24
i32.const 7
i32.shr_u
i32.const 112
i32.and
local.get 0
i32.add
local.set 27
local.get 24
i32.const 7
i32.shr_u
i32.const 16
i32.add
i32.const 112
i32.and
local.get 0
i32.add
local.set 28
block
  block
    local.get 26
    i32.eqz
    br_if 0
    local.get 25
    i32.const 3
    i32.and
    i32.const 3
    i32.ne
    br_if 0
    local.get 27
    i32.const 2000
    i32.add
    local.get 27
    i32.load16_u offset=2008
    local.get 27
    i64.load offset=2000
    local.get 28
    i32.load16_u offset=2008
    local.get 28
    i64.load offset=2000
    call $x87_fast_mul
    local.set 29
    local.get 29
    i32.const 0
    i32.lt_s
    br_if 0
    local.get 24
    i32.const -513
    i32.and
    local.get 29
    i32.or
    local.set 24
    br 1
  end
  local.get 0
  local.get 24
  i32.store offset=2388
  local.get 0
  local.get 18
  i32.const 131074
  call $note_position
  i32.const 1
  i32.const 0
  i32.const 1
  i32.const 0
  call $x87_arith
  local.get 24
  i32.const 197376
  call $x87_resume
  local.tee 24
  i32.const -1
  i32.eq
  if
    call $x87_leave
    drop
    br 2
  end
end
local.get 0
local.get 24
i32.store offset=2388
local.get 17
i64.const 0
i64.add
local.set 30
local.get 0
local.get 30
i64.store offset=2400
