;; push rax; push rbx; pop rax; pop rbx: 155 instructions
local.get 1
local.set 24
local.get 5
local.set 25
local.get 25
i64.const 8
i64.sub
local.set 26
local.get 26
i64.const -8
i64.add
local.set 28
local.get 18
local.get 28
i32.wrap_i64
i32.const 7
i32.shr_u
i32.const 131040
i32.and
i32.add
local.tee 29
i64.load offset=8
local.get 28
i64.const 15
i64.add
i64.const -4096
i64.and
i64.eq
if
  local.get 29
  i32.load offset=24
  local.get 26
  i32.wrap_i64
  i32.add
  local.set 27
else
  i32.const 0
  local.set 27
end
local.get 27
if
  local.get 27
  local.get 24
  i64.store
else
  local.get 0
  local.get 24
  i64.store offset=2528
  local.get 0
  local.get 26
  i32.const 8
  i32.const 65537
  local.get 19
  call $slow_write
  i32.eqz
  br_if 1
  i32.const 0
  local.set 20
end
local.get 26
local.set 5
local.get 4
local.set 30
local.get 5
local.set 31
local.get 31
i64.const 8
i64.sub
local.set 32
local.get 27
if
  local.get 27
  i32.const -8
  i32.add
  local.get 30
  i64.store
else
  local.get 0
  local.get 30
  i64.store offset=2528
  local.get 0
  local.get 32
  i32.const 8
  i32.const 131329
  local.get 19
  call $slow_write
  i32.eqz
  br_if 1
  i32.const 0
  local.set 20
end
local.get 32
local.set 5
local.get 5
local.set 33
local.get 27
if
  local.get 27
  i32.const -8
  i32.add
  local.set 34
else
  local.get 0
  local.get 33
  i32.const 8
  i32.const 197121
  local.get 19
  call $slow_read
  local.tee 34
  i32.eqz
  br_if 1
end
local.get 34
i64.load
local.set 35
local.get 5
local.set 36
local.get 36
i64.const 8
i64.add
local.set 37
local.get 37
local.set 5
local.get 35
local.set 1
local.get 5
local.set 38
local.get 27
if
  local.get 27
  local.set 39
else
  local.get 0
  local.get 38
  i32.const 8
  i32.const 262913
  local.get 19
  call $slow_read
  local.tee 39
  i32.eqz
  br_if 1
end
local.get 39
i64.load
local.set 40
local.get 5
local.set 41
local.get 41
i64.const 8
i64.add
local.set 42
local.get 42
local.set 5
local.get 40
local.set 4
