;; mov rax,[rbx]; mov rcx,[rbx+8]; mov rdx,[rbx+16]; mov [rbx+24],rax: 267 instructions
local.get 4
local.set 23
local.get 23
i64.const 0
i64.add
local.set 26
local.get 26
i32.wrap_i64
i32.const 7
i32.shr_u
i32.const 131040
i32.and
local.tee 27
i64.load offset=65536
local.get 26
i64.const 23
i64.add
i64.const -4096
i64.and
i64.eq
if
  local.get 27
  i32.load offset=65560
  local.get 23
  i32.wrap_i64
  i32.add
  local.set 25
else
  i32.const 65536
  local.get 23
  local.get 26
  i64.const 23
  i32.const 0
  call $range_host
  local.set 25
end
local.get 25
if
  local.get 25
  i64.load
  local.set 24
else
  local.get 23
  i32.wrap_i64
  i32.const 7
  i32.shr_u
  i32.const 131040
  i32.and
  local.tee 28
  i64.load offset=65536
  local.get 23
  i64.const 7
  i64.add
  i64.const -4096
  i64.and
  i64.eq
  if
    local.get 28
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
    i32.const 196611
    local.get 18
    call $slow_read
    local.tee 29
    i32.eqz
    br_if 2
    local.get 29
    i64.load
    local.set 24
  end
end
local.get 24
local.set 1
local.get 4
i64.const 8
i64.add
local.set 30
local.get 25
if
  local.get 25
  i64.load offset=8
  local.set 31
else
  local.get 30
  i32.wrap_i64
  i32.const 7
  i32.shr_u
  i32.const 131040
  i32.and
  local.tee 32
  i64.load offset=65536
  local.get 30
  i64.const 7
  i64.add
  i64.const -4096
  i64.and
  i64.eq
  if
    local.get 32
    i32.load offset=65560
    local.get 30
    i32.wrap_i64
    i32.add
    i64.load
    local.set 31
  else
    local.get 0
    local.get 30
    i32.const 8
    i32.const 459012
    local.get 18
    call $slow_read
    local.tee 33
    i32.eqz
    br_if 2
    local.get 33
    i64.load
    local.set 31
  end
end
local.get 31
local.set 2
local.get 4
i64.const 16
i64.add
local.set 34
local.get 25
if
  local.get 25
  i64.load offset=16
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
    i32.const 721412
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
local.get 35
local.set 3
local.get 1
local.set 38
local.get 4
i64.const 24
i64.add
local.set 39
local.get 39
i64.const 0
i64.add
local.set 41
local.get 41
i32.wrap_i64
i32.const 7
i32.shr_u
i32.const 131040
i32.and
local.tee 42
i64.load offset=65544
local.get 41
i64.const 7
i64.add
i64.const -4096
i64.and
i64.eq
if
  local.get 42
  i32.load offset=65560
  local.get 39
  i32.wrap_i64
  i32.add
  local.set 40
else
  i32.const 65536
  local.get 39
  local.get 41
  i64.const 7
  i32.const 8
  call $range_host
  local.set 40
end
local.get 40
if
  local.get 40
  local.get 38
  i64.store
else
  local.get 39
  i32.wrap_i64
  i32.const 7
  i32.shr_u
  i32.const 131040
  i32.and
  local.tee 43
  i64.load offset=65544
  local.get 39
  i64.const 7
  i64.add
  i64.const -4096
  i64.and
  i64.eq
  if
    local.get 43
    i32.load offset=65560
    local.get 39
    i32.wrap_i64
    i32.add
    local.get 38
    i64.store
  else
    local.get 0
    local.get 38
    i64.store offset=2528
    local.get 0
    local.get 39
    i32.const 8
    i32.const 983812
    local.get 18
    call $slow_write
    i32.eqz
    br_if 2
    i32.const 0
    local.set 19
    local.get 19
    if
      br 3
    end
  end
end
