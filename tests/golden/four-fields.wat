;; mov rax,[rbx]; mov rcx,[rbx+8]; mov rdx,[rbx+16]; mov [rbx+24],rax: 162 instructions
local.get 4
local.set 24
local.get 24
i64.const 0
i64.add
local.set 27
local.get 18
local.get 27
i32.wrap_i64
i32.const 7
i32.shr_u
i32.const 131040
i32.and
i32.add
local.tee 28
i64.load
local.get 27
i64.const 23
i64.add
i64.const -4096
i64.and
i64.eq
if
  local.get 28
  i32.load offset=24
  local.get 24
  i32.wrap_i64
  i32.add
  local.set 26
else
  i32.const 0
  local.set 26
end
local.get 26
if
  local.get 26
  local.set 25
else
  local.get 0
  local.get 24
  i32.const 8
  i32.const 196611
  local.get 19
  call $slow_read
  local.tee 25
  i32.eqz
  br_if 1
end
local.get 25
i64.load
local.set 29
local.get 29
local.set 1
local.get 4
i64.const 8
i64.add
local.set 30
local.get 26
if
  local.get 26
  i32.const 8
  i32.add
  local.set 31
else
  local.get 0
  local.get 30
  i32.const 8
  i32.const 459012
  local.get 19
  call $slow_read
  local.tee 31
  i32.eqz
  br_if 1
end
local.get 31
i64.load
local.set 32
local.get 32
local.set 2
local.get 4
i64.const 16
i64.add
local.set 33
local.get 26
if
  local.get 26
  i32.const 16
  i32.add
  local.set 34
else
  local.get 0
  local.get 33
  i32.const 8
  i32.const 721412
  local.get 19
  call $slow_read
  local.tee 34
  i32.eqz
  br_if 1
end
local.get 34
i64.load
local.set 35
local.get 35
local.set 3
local.get 1
local.set 36
local.get 4
i64.const 24
i64.add
local.set 37
local.get 37
i64.const 0
i64.add
local.set 39
local.get 18
local.get 39
i32.wrap_i64
i32.const 7
i32.shr_u
i32.const 131040
i32.and
i32.add
local.tee 40
i64.load offset=8
local.get 39
i64.const 7
i64.add
i64.const -4096
i64.and
i64.eq
if
  local.get 40
  i32.load offset=24
  local.get 37
  i32.wrap_i64
  i32.add
  local.set 38
else
  i32.const 0
  local.set 38
end
local.get 38
if
  local.get 38
  local.get 36
  i64.store
else
  local.get 0
  local.get 36
  i64.store offset=2528
  local.get 0
  local.get 37
  i32.const 8
  i32.const 983812
  local.get 19
  call $slow_write
  i32.eqz
  br_if 1
  i32.const 0
  local.set 20
end
