;; push rax; push rbx; pop rax; pop rbx: 256 instructions
local.get 1
local.set 23
local.get 5
local.set 24
local.get 24
i64.const 8
i64.sub
local.set 25
local.get 25
i64.const -8
i64.add
local.set 27
local.get 27
i32.wrap_i64
i32.const 7
i32.shr_u
i32.const 131040
i32.and
local.tee 28
i64.load offset=65544
local.get 27
i64.const 15
i64.add
i64.const -4096
i64.and
i64.eq
if
  local.get 28
  i32.load offset=65560
  local.get 25
  i32.wrap_i64
  i32.add
  local.set 26
else
  i32.const 65536
  local.get 25
  local.get 27
  i64.const 15
  i32.const 8
  call $range_host
  local.set 26
end
local.get 26
if
  local.get 26
  local.get 23
  i64.store
else
  local.get 25
  i32.wrap_i64
  i32.const 7
  i32.shr_u
  i32.const 131040
  i32.and
  local.tee 29
  i64.load offset=65544
  local.get 25
  i64.const 7
  i64.add
  i64.const -4096
  i64.and
  i64.eq
  if
    local.get 29
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
    br_if 2
    i32.const 0
    local.set 19
  end
end
local.get 25
local.set 5
local.get 4
local.set 30
local.get 5
local.set 31
local.get 31
i64.const 8
i64.sub
local.set 32
local.get 26
if
  local.get 26
  i32.const -8
  i32.add
  local.get 30
  i64.store
else
  local.get 32
  i32.wrap_i64
  i32.const 7
  i32.shr_u
  i32.const 131040
  i32.and
  local.tee 33
  i64.load offset=65544
  local.get 32
  i64.const 7
  i64.add
  i64.const -4096
  i64.and
  i64.eq
  if
    local.get 33
    i32.load offset=65560
    local.get 32
    i32.wrap_i64
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
    local.get 18
    call $slow_write
    i32.eqz
    br_if 2
    i32.const 0
    local.set 19
  end
end
local.get 32
local.set 5
local.get 5
local.set 34
local.get 26
if
  local.get 26
  i32.const -8
  i32.add
  i64.load
  local.set 35
else
  local.get 34
  i32.wrap_i64
  i32.const 7
  i32.shr_u
  i32.const 131040
  i32.and
  local.tee 36
  i64.load offset=65536
  local.get 34
  i64.const 7
  i64.add
  i64.const -4096
  i64.and
  i64.eq
  if
    local.get 36
    i32.load offset=65560
    local.get 34
    i32.wrap_i64
    i32.add
    i64.load
    local.set 35
  else
    local.get 0
    local.get 34
    i32.const 8
    i32.const 197121
    local.get 18
    call $slow_read
    local.tee 37
    i32.eqz
    br_if 2
    local.get 37
    i64.load
    local.set 35
  end
end
local.get 5
local.set 38
local.get 38
i64.const 8
i64.add
local.set 39
local.get 39
local.set 5
local.get 35
local.set 1
local.get 5
local.set 40
local.get 26
if
  local.get 26
  i64.load
  local.set 41
else
  local.get 40
  i32.wrap_i64
  i32.const 7
  i32.shr_u
  i32.const 131040
  i32.and
  local.tee 42
  i64.load offset=65536
  local.get 40
  i64.const 7
  i64.add
  i64.const -4096
  i64.and
  i64.eq
  if
    local.get 42
    i32.load offset=65560
    local.get 40
    i32.wrap_i64
    i32.add
    i64.load
    local.set 41
  else
    local.get 0
    local.get 40
    i32.const 8
    i32.const 262913
    local.get 18
    call $slow_read
    local.tee 43
    i32.eqz
    br_if 2
    local.get 43
    i64.load
    local.set 41
  end
end
local.get 5
local.set 44
local.get 44
i64.const 8
i64.add
local.set 45
local.get 45
local.set 5
local.get 41
local.set 4
