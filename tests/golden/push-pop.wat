;; push rax; push rbx; pop rax; pop rbx: 204 instructions
local.get 1
local.set 24
local.get 5
local.set 25
local.get 25
i64.const 8
i64.sub
local.set 26
local.get 26
i64.const 8
i64.sub
local.set 28
local.get 18
local.get 28
i32.wrap_i64
i32.const 7
i32.shr_u
i32.const 32736
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
  local.get 28
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
  i64.store offset=8
else
  local.get 0
  local.get 19
  i32.const 4
  i32.add
  i32.const 65536
  i32.const 1
  call $note_position
  local.get 0
  local.get 24
  i64.store offset=2528
  local.get 26
  i32.const 8
  call $mem_write_slow
  i32.eqz
  if
    br 2
  end
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
  local.get 30
  i64.store
else
  local.get 0
  local.get 19
  i32.const 4
  i32.add
  i32.const 131328
  i32.const 1
  call $note_position
  local.get 0
  local.get 30
  i64.store offset=2528
  local.get 32
  i32.const 8
  call $mem_write_slow
  i32.eqz
  if
    br 2
  end
  i32.const 0
  local.set 20
end
local.get 32
local.set 5
local.get 5
local.set 33
local.get 18
local.get 33
i32.wrap_i64
i32.const 7
i32.shr_u
i32.const 32736
i32.and
i32.add
local.tee 36
i64.load
local.get 33
i64.const 15
i64.add
i64.const -4096
i64.and
i64.eq
if
  local.get 36
  i32.load offset=24
  local.get 33
  i32.wrap_i64
  i32.add
  local.set 35
else
  i32.const 0
  local.set 35
end
local.get 35
if
  local.get 35
  local.set 34
else
  local.get 0
  local.get 19
  i32.const 4
  i32.add
  i32.const 197120
  i32.const 1
  call $note_position
  local.get 33
  i32.const 8
  call $mem_read_slow
  local.tee 34
  i32.eqz
  if
    br 2
  end
end
local.get 34
i64.load
local.set 37
local.get 5
local.set 38
local.get 38
i64.const 8
i64.add
local.set 39
local.get 39
local.set 5
local.get 37
local.set 1
local.get 5
local.set 40
local.get 35
if
  local.get 35
  i32.const 8
  i32.add
  local.set 41
else
  local.get 0
  local.get 19
  i32.const 4
  i32.add
  i32.const 262912
  i32.const 1
  call $note_position
  local.get 40
  i32.const 8
  call $mem_read_slow
  local.tee 41
  i32.eqz
  if
    br 2
  end
end
local.get 41
i64.load
local.set 42
local.get 5
local.set 43
local.get 43
i64.const 8
i64.add
local.set 44
local.get 44
local.set 5
local.get 42
local.set 4
