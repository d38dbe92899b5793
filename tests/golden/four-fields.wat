;; mov rax,[rbx]; mov rcx,[rbx+8]; mov rdx,[rbx+16]; mov [rbx+24],rax: 170 instructions
local.get 4
local.set 24
local.get 18
local.get 24
i32.wrap_i64
i32.const 7
i32.shr_u
i32.const 32736
i32.and
i32.add
local.tee 27
i64.load
local.get 24
i64.const 23
i64.add
i64.const -4096
i64.and
i64.eq
if
  local.get 27
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
  local.get 19
  i32.const 4
  i32.add
  i32.const 196608
  i32.const 3
  call $note_position
  local.get 24
  i32.const 8
  call $mem_read_slow
  local.tee 25
  i32.eqz
  if
    br 2
  end
end
local.get 25
i64.load
local.set 28
local.get 28
local.set 1
local.get 4
i64.const 8
i64.add
local.set 29
local.get 26
if
  local.get 26
  i32.const 8
  i32.add
  local.set 30
else
  local.get 0
  local.get 19
  i32.const 4
  i32.add
  i32.const 459008
  i32.const 4
  call $note_position
  local.get 29
  i32.const 8
  call $mem_read_slow
  local.tee 30
  i32.eqz
  if
    br 2
  end
end
local.get 30
i64.load
local.set 31
local.get 31
local.set 2
local.get 4
i64.const 16
i64.add
local.set 32
local.get 26
if
  local.get 26
  i32.const 16
  i32.add
  local.set 33
else
  local.get 0
  local.get 19
  i32.const 4
  i32.add
  i32.const 721408
  i32.const 4
  call $note_position
  local.get 32
  i32.const 8
  call $mem_read_slow
  local.tee 33
  i32.eqz
  if
    br 2
  end
end
local.get 33
i64.load
local.set 34
local.get 34
local.set 3
local.get 1
local.set 35
local.get 4
i64.const 24
i64.add
local.set 36
local.get 18
local.get 36
i32.wrap_i64
i32.const 7
i32.shr_u
i32.const 32736
i32.and
i32.add
local.tee 37
i64.load offset=8
local.get 36
i64.const 7
i64.add
i64.const -4096
i64.and
i64.eq
if
  local.get 37
  i32.load offset=24
  local.get 36
  i32.wrap_i64
  i32.add
  local.get 35
  i64.store
else
  local.get 0
  local.get 19
  i32.const 4
  i32.add
  i32.const 983808
  i32.const 4
  call $note_position
  local.get 0
  local.get 35
  i64.store offset=2528
  local.get 36
  i32.const 8
  call $mem_write_slow
  i32.eqz
  if
    br 2
  end
  i32.const 0
  local.set 20
end
