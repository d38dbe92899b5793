;; mov rax,[rbx+16]: 42 instructions
local.get 4
i64.const 16
i64.add
local.set 23
local.get 23
i32.wrap_i64
i32.const 7
i32.shr_u
i32.const 131040
i32.and
local.tee 25
i64.load offset=65536
local.get 23
i64.const 7
i64.add
i64.const -4096
i64.and
i64.eq
if
  local.get 25
  i32.load offset=65560
  local.get 23
  i32.wrap_i64
  i32.add
  i64.load
  local.set 24
else
  local.get 0
  local.get 23
  i32.const 8
  i32.const 262148
  local.get 18
  call $slow_read
  local.tee 26
  i32.eqz
  br_if 1
  local.get 26
  i64.load
  local.set 24
end
local.get 24
local.set 1
