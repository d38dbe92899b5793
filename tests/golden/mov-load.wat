;; mov rax,[rbx+16]: 43 instructions
local.get 4
i64.const 16
i64.add
local.set 24
local.get 18
local.get 24
i32.wrap_i64
i32.const 7
i32.shr_u
i32.const 131040
i32.and
i32.add
local.tee 26
i64.load
local.get 24
i64.const 7
i64.add
i64.const -4096
i64.and
i64.eq
if
  local.get 26
  i32.load offset=24
  local.get 24
  i32.wrap_i64
  i32.add
  local.set 25
else
  local.get 0
  local.get 24
  i32.const 8
  i32.const 262148
  local.get 19
  call $slow_read
  local.tee 25
  i32.eqz
  br_if 1
end
local.get 25
i64.load
local.set 27
local.get 27
local.set 1
