;; ucomisd xmm0,xmm1; ja: 211 instructions
local.get 24
i32.eqz
if
  local.get 0
  local.get 19
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
local.set 28
block
  block
    local.get 28
    i32.eqz
    br_if 0
    local.get 29
    local.set 30
    local.get 30
    f64x2.extract_lane 0
    local.set 31
    local.get 32
    local.set 33
    local.get 33
    f64x2.extract_lane 0
    local.set 34
    local.get 34
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
      local.get 34
      local.get 35
      f64.ne
      br_if 1
    end
    local.get 31
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
      local.get 31
      local.get 35
      f64.ne
      br_if 1
    end
    local.get 34
    local.get 31
    f64.lt
    local.set 25
    local.get 34
    local.get 31
    f64.eq
    local.set 26
    i32.const 0
    local.set 27
    br 1
  end
  local.get 0
  local.get 19
  i32.const 262148
  call $note_position
  local.get 0
  local.get 32
  v128.store offset=2128
  local.get 0
  i32.const 2128
  i32.add
  local.get 0
  local.get 29
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
  local.set 32
  i32.const 256
  call $sse_settled
  local.get 28
  i32.and
  local.set 28
  local.get 0
  i32.load offset=2432
  local.set 37
  local.get 37
  local.tee 36
  i32.const 1
  i32.and
  local.set 25
  local.get 36
  i32.const 6
  i32.shr_u
  i32.const 1
  i32.and
  local.set 26
  local.get 36
  i32.const 2
  i32.shr_u
  i32.const 1
  i32.and
  local.set 27
end
local.get 25
local.get 26
i32.const 6
i32.shl
i32.or
local.get 27
i32.const 2
i32.shl
i32.or
local.set 38
local.get 38
i32.const 0
i32.shr_u
local.set 39
local.get 39
i32.const 1
i32.and
local.set 40
local.get 38
i32.const 2
i32.shr_u
local.set 41
local.get 41
i32.const 1
i32.and
local.set 42
local.get 38
i32.const 6
i32.shr_u
local.set 43
local.get 43
i32.const 1
i32.and
local.set 44
i32.const 0
local.get 40
i32.or
local.set 45
local.get 42
i32.const 2
i32.shl
local.set 46
local.get 45
local.get 46
i32.or
local.set 47
local.get 44
i32.const 6
i32.shl
local.set 48
local.get 47
local.get 48
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
local.get 51
i32.const 0
i32.or
local.set 52
i32.const 0
local.set 21
local.get 52
i64.extend_i32_u
local.set 53
local.get 53
local.set 22
local.get 25
local.get 26
i32.or
local.set 54
local.get 54
i32.eqz
local.set 55
local.get 55
if
  br 1
end
