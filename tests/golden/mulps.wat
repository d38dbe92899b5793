;; mulps xmm0,xmm1: 143 instructions
local.get 23
i32.eqz
if
  local.get 0
  local.get 18
  i32.const 196611
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
    local.get 27
    local.set 28
    local.get 28
    i32.const 1
    i32x4.shl
    v128.const ffffff7fffffff7fffffff7fffffff7f
    i32x4.add
    v128.const ffffff80ffffff80ffffff80ffffff80
    i32x4.lt_s
    i32x4.bitmask
    br_if 0
    local.get 26
    i32.const 1
    i32x4.shl
    v128.const ffffff7fffffff7fffffff7fffffff7f
    i32x4.add
    v128.const ffffff80ffffff80ffffff80ffffff80
    i32x4.lt_s
    i32x4.bitmask
    br_if 0
    local.get 28
    local.get 26
    f32x4.mul
    local.set 29
    local.get 29
    i32.const 1
    i32x4.shl
    v128.const 0000007f0000007f0000007f0000007f
    i32x4.add
    local.set 30
    local.get 30
    v128.const 0000007e0000007e0000007e0000007e
    i32x4.lt_s
    i32x4.bitmask
    i32.const 15
    i32.ne
    if
      local.get 30
      v128.const 0000007f0000007f0000007f0000007f
      i32x4.lt_s
      i32x4.bitmask
      i32.const 15
      i32.ne
      br_if 1
      local.get 30
      v128.const 0000007f0000007f0000007f0000007f
      i32x4.lt_s
      i32x4.bitmask
      local.get 30
      v128.const 0000007e0000007e0000007e0000007e
      i32x4.lt_s
      i32x4.bitmask
      i32.ne
      if
        local.get 0
        i32.load offset=2424
        i32.const 1161
        i32.and
        i32.const 1161
        i32.ne
        br_if 2
        local.get 28
        v128.const 00004000000040000000400000004000
        v128.or
        local.get 26
        v128.const 00004000000040000000400000004000
        v128.or
        v128.const 0000c0ff0000c0ff0000c0ff0000c0ff
        local.get 26
        local.get 26
        f32x4.ne
        v128.bitselect
        local.get 28
        local.get 28
        f32x4.ne
        v128.bitselect
        local.get 29
        local.get 29
        local.get 29
        f32x4.ne
        v128.bitselect
        local.set 29
      end
    end
    local.get 29
    local.set 27
    br 1
  end
  local.get 0
  local.get 18
  i32.const 196611
  call $note_position
  local.get 0
  local.get 27
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
  call $sse_mul_ps
  if
    br 2
  end
  local.get 0
  v128.load offset=2128
  local.set 27
  i32.const 196864
  call $sse_settled
  local.get 24
  i32.and
  local.set 24
end
