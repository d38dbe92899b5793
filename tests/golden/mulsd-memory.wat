;; mulsd xmm0,[rbx+8]: 172 instructions
local.get 23
i32.eqz
if
  local.get 0
  local.get 18
  i32.const 327685
  call $note_position
  call $sse_check
  if
    br 2
  end
end
local.get 4
i64.const 8
i64.add
local.set 24
local.get 24
i32.wrap_i64
i32.const 7
i32.shr_u
i32.const 131040
i32.and
local.tee 26
i64.load offset=65536
local.get 24
i64.const 7
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
  i32.const 8
  i32.const 327685
  local.get 18
  call $slow_read
  local.tee 27
  i32.eqz
  br_if 1
  local.get 27
  local.set 25
end
local.get 25
i64.load
local.set 28
local.get 0
i32.load offset=2424
i32.const 61536
i32.and
i32.const 4128
i32.eq
local.set 29
block
  block
    local.get 29
    i32.eqz
    br_if 0
    local.get 28
    f64.reinterpret_i64
    local.set 30
    local.get 31
    local.set 32
    local.get 32
    f64x2.extract_lane 0
    local.set 33
    local.get 33
    i64.reinterpret_f64
    i64.const 32
    i64.shr_u
    i32.wrap_i64
    i32.const 1048576
    i32.add
    i32.const 2145386496
    i32.and
    i32.eqz
    if
      local.get 33
      local.get 34
      f64.ne
      br_if 1
    end
    local.get 30
    i64.reinterpret_f64
    i64.const 32
    i64.shr_u
    i32.wrap_i64
    i32.const 1048576
    i32.add
    i32.const 2145386496
    i32.and
    i32.eqz
    if
      local.get 30
      local.get 34
      f64.ne
      br_if 1
    end
    local.get 33
    local.get 30
    f64.mul
    local.set 35
    local.get 35
    i64.reinterpret_f64
    i64.const 32
    i64.shr_u
    i32.wrap_i64
    i32.const 1048576
    i32.add
    i32.const 2145386496
    i32.and
    i32.eqz
    if
      local.get 35
      local.get 34
      f64.ne
      local.get 33
      local.get 34
      f64.ne
      local.get 30
      local.get 34
      f64.ne
      i32.and
      i32.or
      br_if 1
    end
    local.get 31
    local.set 36
    local.get 36
    local.get 35
    f64x2.replace_lane 0
    local.set 37
    local.get 37
    local.set 31
    br 1
  end
  local.get 0
  local.get 18
  i32.const 327685
  call $note_position
  local.get 0
  local.get 31
  v128.store offset=2128
  local.get 0
  i32.const 2128
  i32.add
  local.get 0
  local.get 28
  i64.store offset=2496
  local.get 0
  i32.const 2496
  i32.add
  call $sse_mul_sd
  if
    br 2
  end
  local.get 0
  v128.load offset=2128
  local.set 31
  i32.const 0
  call $sse_settled
  local.get 29
  i32.and
  local.set 29
end
