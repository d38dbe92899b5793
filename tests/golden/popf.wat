;; popfq: 128 instructions
local.get 5
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
  i32.const 65537
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
local.get 0
i64.load offset=160
i64.xor
i64.const 2389248
i64.and
i64.eqz
local.get 0
i64.load offset=160
i64.const 256
i64.and
i64.eqz
i32.and
local.get 0
i32.load offset=796
i32.const 4194308
i32.and
local.get 0
i32.load offset=536
i32.or
i32.eqz
i32.and
if
  local.get 0
  local.get 0
  i64.load offset=160
  i64.const -513
  i64.and
  local.get 24
  i64.const 512
  i64.and
  i64.or
  i64.store offset=160
  local.get 24
  i64.const 2261
  i64.and
  local.set 27
  i32.const 0
  local.set 20
  local.get 27
  local.set 21
  local.get 5
  local.set 28
  local.get 28
  i64.const 8
  i64.add
  local.set 29
  local.get 29
  local.set 5
else
  local.get 0
  local.get 18
  i32.const 65537
  call $note_position
  local.get 0
  local.get 5
  i64.store offset=32
  local.get 0
  local.get 20
  i32.store offset=184
  local.get 0
  local.get 21
  i64.store offset=168
  local.get 0
  local.get 22
  i64.store offset=176
  local.get 24
  i32.const 64
  call $popf
  if
    br 2
  end
  local.get 0
  i64.load offset=32
  local.set 5
  local.get 0
  i32.load offset=184
  local.set 20
  local.get 0
  i64.load offset=168
  local.set 21
  local.get 0
  i64.load offset=176
  local.set 22
  local.get 0
  i32.load offset=200
  local.set 18
  i32.const 0
  local.set 19
end
