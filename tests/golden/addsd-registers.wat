;; addsd xmm0,xmm1; addsd xmm0,xmm2: 215 instructions
local.get 23
i32.eqz
if
  local.get 0
  local.get 18
  i32.const 262148
  call $note_position
  call $sse_check
  if
    br 2
  end
end
local.get 0
i32.load offset=2424
i32.const 61536
i32.and
i32.const 4128
i32.eq
local.set 24
block
  block
    local.get 24
    i32.eqz
    br_if 0
    local.get 25
    local.set 26
    local.get 26
    f64x2.extract_lane 0
    local.set 27
    local.get 28
    local.set 29
    local.get 29
    f64x2.extract_lane 0
    local.set 30
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
      local.get 31
      f64.ne
      br_if 1
    end
    local.get 27
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
      local.get 27
      local.get 31
      f64.ne
      br_if 1
    end
    local.get 30
    local.get 27
    f64.add
    local.set 32
    local.get 32
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
      local.get 32
      local.get 31
      f64.ne
      br_if 1
    end
    local.get 28
    local.set 33
    local.get 33
    local.get 32
    f64x2.replace_lane 0
    local.set 34
    local.get 34
    local.set 28
    br 1
  end
  local.get 0
  local.get 18
  i32.const 262148
  call $note_position
  local.get 0
  local.get 28
  v128.store offset=2128
  local.get 0
  i32.const 2128
  i32.add
  local.get 0
  local.get 25
  v128.store offset=2144
  local.get 0
  i32.const 2144
  i32.add
  call $sse_add_sd
  if
    br 2
  end
  local.get 0
  v128.load offset=2128
  local.set 28
  i32.const 256
  call $sse_settled
  local.get 24
  i32.and
  local.set 24
end
block
  block
    local.get 24
    i32.eqz
    br_if 0
    local.get 35
    local.set 36
    local.get 36
    f64x2.extract_lane 0
    local.set 37
    local.get 28
    local.set 38
    local.get 38
    f64x2.extract_lane 0
    local.set 39
    local.get 37
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
      local.get 37
      local.get 31
      f64.ne
      br_if 1
    end
    local.get 39
    local.get 37
    f64.add
    local.set 40
    local.get 40
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
      local.get 40
      local.get 31
      f64.ne
      br_if 1
    end
    local.get 28
    local.set 41
    local.get 41
    local.get 40
    f64x2.replace_lane 0
    local.set 42
    local.get 42
    local.set 28
    br 1
  end
  local.get 0
  local.get 18
  i32.const 524548
  call $note_position
  local.get 0
  local.get 28
  v128.store offset=2128
  local.get 0
  i32.const 2128
  i32.add
  local.get 0
  local.get 35
  v128.store offset=2160
  local.get 0
  i32.const 2160
  i32.add
  call $sse_add_sd
  if
    br 2
  end
  local.get 0
  v128.load offset=2128
  local.set 28
  i32.const 512
  call $sse_settled
  local.get 24
  i32.and
  local.set 24
end
