;; pushfq; pop rax; cli: 124 instructions
local.get 0
local.get 20
i32.store offset=184
local.get 0
local.get 21
i64.store offset=168
local.get 0
local.get 22
i64.store offset=176
call $pushf_value
local.set 23
local.get 5
local.set 24
local.get 24
i64.const 8
i64.sub
local.set 25
local.get 25
i32.wrap_i64
i32.const 7
i32.shr_u
i32.const 131040
i32.and
local.tee 26
i64.load offset=65544
local.get 25
i64.const 7
i64.add
i64.const -4096
i64.and
i64.eq
if
  local.get 26
  i32.load offset=65560
  local.get 25
  i32.wrap_i64
  i32.add
  local.get 23
  i64.store
else
  local.get 0
  local.get 23
  i64.store offset=2528
  local.get 0
  local.get 25
  i32.const 8
  i32.const 65537
  local.get 18
  call $slow_write
  i32.eqz
  br_if 1
  i32.const 0
  local.set 19
end
local.get 25
local.set 5
local.get 5
local.set 27
local.get 27
i32.wrap_i64
i32.const 7
i32.shr_u
i32.const 131040
i32.and
local.tee 29
i64.load offset=65536
local.get 27
i64.const 7
i64.add
i64.const -4096
i64.and
i64.eq
if
  local.get 29
  i32.load offset=65560
  local.get 27
  i32.wrap_i64
  i32.add
  i64.load
  local.set 28
else
  local.get 0
  local.get 27
  i32.const 8
  i32.const 131329
  local.get 18
  call $slow_read
  local.tee 30
  i32.eqz
  br_if 1
  local.get 30
  i64.load
  local.set 28
end
local.get 5
local.set 31
local.get 31
i64.const 8
i64.add
local.set 32
local.get 32
local.set 5
local.get 28
local.set 1
local.get 0
i32.load offset=536
i32.eqz
if
  local.get 0
  local.get 0
  i64.load offset=160
  i64.const -513
  i64.and
  i64.store offset=160
else
  local.get 0
  local.get 18
  i32.const 197121
  call $note_position
  call $cli
  if
    br 2
  end
end
