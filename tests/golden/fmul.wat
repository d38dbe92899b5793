;; fmul st0,st1: 36 instructions
local.get 24
local.get 0
i32.load offset=2388
i32.const 128
i32.and
i32.eqz
i32.and
i32.eqz
if
  local.get 0
  local.get 19
  i32.const 1
  i32.add
  i32.const 131072
  i32.const 2
  call $note_position
  call $fpu_check
  if
    br 2
  end
end
local.get 17
i64.const 0
i64.add
local.set 25
local.get 0
local.get 25
i64.store offset=2400
local.get 0
i32.const 0
i32.store offset=204
i32.const 1
i32.const 0
i32.const 1
i32.const 0
call $x87_arith
