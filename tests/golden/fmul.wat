;; fmul st0,st1: 98 instructions
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
call $x87_enter
local.tee 24
i32.const 4099
i32.and
i32.const 3
i32.ne
local.set 25
i32.const 0
local.set 26
local.get 24
i32.const 4
i32.shr_u
i32.const 112
i32.and
local.get 0
i32.add
i32.const 2000
i32.add
local.set 27
local.get 24
i32.const 4
i32.shr_u
i32.const 16
i32.add
i32.const 112
i32.and
local.get 0
i32.add
i32.const 2000
i32.add
local.set 28
local.get 27
i64.load
local.set 29
local.get 28
i64.load
local.set 30
block
  block
    local.get 25
    br_if 0
    local.get 27
    local.get 29
    local.get 28
    local.get 30
    call $x87_fast_mul
    local.tee 29
    i64.const 1
    i64.ne
    br_if 1
  end
  local.get 24
  i32.const 0
  local.get 18
  i32.const 131074
  call $x87_before
  i32.const 1
  i32.const 0
  i32.const 1
  i32.const 0
  call $x87_arith
  i32.const 1
  local.set 26
  local.get 24
  i32.const 197376
  call $x87_after
  if
    br 2
  end
  local.get 27
  i64.load
  local.set 29
end
local.get 17
i64.const 0
i64.add
local.set 31
local.get 0
local.get 31
i64.store offset=2400
