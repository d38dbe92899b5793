;; paddd xmm0,xmm1; pshufd xmm0,xmm0,4eh: 30 instructions
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
local.get 24
local.set 25
local.get 26
local.set 27
local.get 27
local.get 25
i32x4.add
local.set 28
local.get 28
local.set 26
local.get 26
local.set 29
local.get 29
local.get 29
i8x16.shuffle 8 9 10 11 12 13 14 15 0 1 2 3 4 5 6 7
local.set 30
local.get 30
local.set 26
