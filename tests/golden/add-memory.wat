;; add [rbx+4],eax: 79 instructions
local.get 1
i32.wrap_i64
local.set 23
local.get 4
i64.const 4
i64.add
local.set 24
local.get 24
i32.wrap_i64
i32.const 7
i32.shr_u
i32.const 131040
i32.and
local.tee 26
i64.load offset=65544
local.get 24
i64.const 3
i64.add
i64.const -4096
i64.and
i64.eq
if
  local.get 26
  i32.load offset=65560
  local.get 24
  i32.wrap_i64
  i32.add
  local.set 25
else
  local.get 0
  local.get 24
  i32.const 4
  i32.const 196611
  local.get 18
  call $slow_rmw
  local.tee 27
  i32.eqz
  br_if 1
  local.get 27
  local.set 25
end
local.get 25
i32.load
local.set 28
local.get 28
local.get 23
i32.add
local.set 29
local.get 25
local.get 29
i32.store
local.get 25
local.get 0
i32.const 2528
i32.add
i32.eq
if
  local.get 24
  i32.const 4
  call $mem_write_slow
  i32.eqz
  if
    br 2
  end
  i32.const 0
  local.set 19
end
i32.const 6
local.set 20
local.get 28
i64.extend_i32_u
local.set 30
local.get 30
local.set 21
local.get 23
i64.extend_i32_u
local.set 31
local.get 31
local.set 22
