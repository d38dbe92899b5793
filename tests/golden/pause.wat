;; pause: 39 instructions
local.get 0
i32.load offset=856
local.get 0
i32.load offset=796
i32.const 1073741824
i32.and
i32.or
i32.eqz
local.get 18
i32.const 1139
i32.ge_s
i32.and
if
  local.get 18
  i32.const 139
  i32.sub
  local.set 18
  local.get 0
  local.get 0
  i32.load offset=1976
  i32.const 139
  i32.sub
  i32.store offset=1976
  local.get 0
  local.get 0
  i64.load offset=38888
  i64.const 139
  i64.add
  i64.store offset=38888
else
  local.get 0
  local.get 18
  i32.const 131074
  call $note_position
  call $pause
  if
    br 2
  end
end
