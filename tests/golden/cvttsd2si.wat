;; cvttsd2si eax,xmm0: 71 instructions
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
local.set 25
block
  block
    local.get 25
    i32.eqz
    br_if 0
    local.get 26
    local.set 27
    local.get 27
    f64x2.extract_lane 0
    local.set 28
    local.get 28
    local.set 29
    local.get 29
    f64.abs
    i64.const 4746794007248502784
    f64.reinterpret_i64
    f64.lt
    i32.eqz
    br_if 0
    local.get 29
    i32.trunc_f64_s
    local.set 24
    br 1
  end
  local.get 0
  local.get 18
  i32.const 262148
  call $note_position
  local.get 0
  local.get 26
  v128.store offset=2128
  local.get 0
  i32.const 2128
  i32.add
  call $sse_cvttsd2si
  if
    br 2
  end
  local.get 0
  v128.load offset=2128
  local.set 26
  local.get 0
  i32.load offset=2432
  local.set 30
  local.get 30
  local.set 24
end
local.get 24
i64.extend_i32_u
local.set 31
local.get 31
local.set 1
