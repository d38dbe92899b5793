;; ucomisd xmm0,xmm1; ja: 211 instructions
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
local.set 27
block
  block
    local.get 27
    i32.eqz
    br_if 0
    local.get 28
    local.set 29
    local.get 29
    f64x2.extract_lane 0
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
    f64.lt
    local.set 24
    local.get 33
    local.get 30
    f64.eq
    local.set 25
    i32.const 0
    local.set 26
    br 1
  end
  local.get 0
  local.get 18
  i32.const 262148
  call $note_position
  local.get 0
  local.get 31
  v128.store offset=2128
  local.get 0
  i32.const 2128
  i32.add
  local.get 0
  local.get 28
  v128.store offset=2144
  local.get 0
  i32.const 2144
  i32.add
  call $sse_ucomisd
  if
    br 2
  end
  local.get 0
  v128.load offset=2128
  local.set 31
  i32.const 256
  call $sse_settled
  local.get 27
  i32.and
  local.set 27
  local.get 0
  i32.load offset=2432
  local.set 36
  local.get 36
  local.tee 35
  i32.const 1
  i32.and
  local.set 24
  local.get 35
  i32.const 6
  i32.shr_u
  i32.const 1
  i32.and
  local.set 25
  local.get 35
  i32.const 2
  i32.shr_u
  i32.const 1
  i32.and
  local.set 26
end
local.get 24
local.get 25
i32.const 6
i32.shl
i32.or
local.get 26
i32.const 2
i32.shl
i32.or
local.set 37
local.get 37
i32.const 0
i32.shr_u
local.set 38
local.get 38
i32.const 1
i32.and
local.set 39
local.get 37
i32.const 2
i32.shr_u
local.set 40
local.get 40
i32.const 1
i32.and
local.set 41
local.get 37
i32.const 6
i32.shr_u
local.set 42
local.get 42
i32.const 1
i32.and
local.set 43
i32.const 0
local.get 39
i32.or
local.set 44
local.get 41
i32.const 2
i32.shl
local.set 45
local.get 44
local.get 45
i32.or
local.set 46
local.get 43
i32.const 6
i32.shl
local.set 47
local.get 46
local.get 47
i32.or
local.set 48
local.get 48
i32.const 0
i32.or
local.set 49
local.get 49
i32.const 0
i32.or
local.set 50
local.get 50
i32.const 0
i32.or
local.set 51
i32.const 0
local.set 20
local.get 51
i64.extend_i32_u
local.set 52
local.get 52
local.set 21
local.get 24
local.get 25
i32.or
local.set 53
local.get 53
i32.eqz
local.set 54
local.get 54
if
  br 1
end
