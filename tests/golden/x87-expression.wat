;; fld [rbx]; fmul [rbx+8]; faddp; fstp [rbx+16]: 592 instructions
local.get 23
local.get 0
i32.load offset=2388
i32.const 128
i32.and
i32.eqz
i32.and
i32.eqz
if
  local.get 0
  local.get 18
  i32.const 131074
  call $note_position
  call $fpu_check
  if
    br 2
  end
end
local.get 4
local.set 24
local.get 24
i64.const 0
i64.add
local.set 27
local.get 27
i32.wrap_i64
i32.const 7
i32.shr_u
i32.const 131040
i32.and
local.tee 28
i64.load offset=65536
local.get 27
i64.const 15
i64.add
i64.const -4096
i64.and
i64.eq
if
  local.get 28
  i32.load offset=65560
  local.get 24
  i32.wrap_i64
  i32.add
  local.set 26
else
  i32.const 65536
  local.get 24
  local.get 27
  i64.const 15
  i32.const 0
  call $range_host
  local.set 26
end
local.get 26
if
  local.get 26
  i64.load
  local.set 25
else
  local.get 24
  i32.wrap_i64
  i32.const 7
  i32.shr_u
  i32.const 131040
  i32.and
  local.tee 29
  i64.load offset=65536
  local.get 24
  i64.const 7
  i64.add
  i64.const -4096
  i64.and
  i64.eq
  if
    local.get 29
    i32.load offset=65560
    local.get 24
    i32.wrap_i64
    i32.add
    i64.load
    local.set 25
  else
    local.get 0
    local.get 24
    i32.const 8
    i32.const 131074
    local.get 18
    call $slow_read
    local.tee 30
    i32.eqz
    br_if 2
    local.get 30
    i64.load
    local.set 25
  end
end
local.get 4
local.set 31
call $x87_enter
local.tee 32
i32.const 4225
i32.and
i32.const 1
i32.ne
local.set 33
i32.const 0
local.set 34
local.get 32
i32.const 4
i32.shr_u
i32.const 112
i32.add
i32.const 112
i32.and
local.get 0
i32.add
i32.const 2000
i32.add
local.set 35
block
  block
    local.get 33
    br_if 0
    local.get 25
    i64.const 52
    i64.shr_s
    i32.wrap_i64
    local.tee 36
    i32.const 1
    i32.add
    i32.const 2046
    i32.and
    if
      local.get 35
      local.get 25
      i64.const 11
      i64.shl
      i64.const -9223372036854775808
      i64.or
      local.tee 37
      i64.store
      local.get 35
      local.get 36
      i32.const 34815
      i32.and
      i32.const 15360
      i32.add
      i32.store16 offset=8
      br 2
    end
    local.get 35
    local.get 25
    call $x87_fast_from_f64
    local.tee 37
    i64.const 1
    i64.ne
    br_if 1
  end
  local.get 32
  i32.const 0
  local.get 18
  i32.const 131074
  call $x87_before
  local.get 25
  local.get 31
  call $x87_load_f64
  i32.const 1
  local.set 34
  local.get 32
  i32.const 25198599
  call $x87_after
  if
    br 2
  end
  local.get 35
  i64.load
  local.set 37
end
local.get 0
local.get 31
i64.store offset=2408
local.get 4
i64.const 8
i64.add
local.set 38
local.get 26
if
  local.get 26
  i64.load offset=8
  local.set 39
else
  local.get 38
  i32.wrap_i64
  i32.const 7
  i32.shr_u
  i32.const 131040
  i32.and
  local.tee 40
  i64.load offset=65536
  local.get 38
  i64.const 7
  i64.add
  i64.const -4096
  i64.and
  i64.eq
  if
    local.get 40
    i32.load offset=65560
    local.get 38
    i32.wrap_i64
    i32.add
    i64.load
    local.set 39
  else
    local.get 17
    i64.const 0
    i64.add
    local.set 41
    local.get 32
    i32.const 25198599
    local.get 41
    call $x87_flush
    i32.const 1
    local.set 34
    local.get 0
    local.get 38
    i32.const 8
    i32.const 327939
    local.get 18
    call $slow_read
    local.tee 42
    i32.eqz
    br_if 2
    local.get 42
    i64.load
    local.set 39
  end
end
local.get 4
i64.const 8
i64.add
local.set 43
block
  block
    local.get 33
    br_if 0
    local.get 39
    i64.const 52
    i64.shr_s
    i32.wrap_i64
    local.tee 45
    i32.const 1
    i32.add
    i32.const 2046
    i32.and
    if
      local.get 0
      i32.const 2448
      i32.add
      local.get 45
      i32.const 34815
      i32.and
      i32.const 15360
      i32.add
      i32.store16 offset=8
      local.get 39
      i64.const 11
      i64.shl
      i64.const -9223372036854775808
      i64.or
      local.set 44
    else
      local.get 0
      i32.const 2448
      i32.add
      local.get 39
      call $x87_fast_from_f64
      local.tee 44
      i64.const 1
      i64.eq
      br_if 1
    end
    local.get 35
    local.get 37
    local.get 0
    i32.const 2448
    i32.add
    local.get 44
    call $x87_fast_mul
    local.tee 37
    i64.const 1
    i64.ne
    br_if 1
  end
  local.get 32
  i32.const 25198599
  local.get 18
  i32.const 327939
  call $x87_before
  i32.const 1
  local.get 39
  local.get 43
  call $x87_arith_f64
  i32.const 1
  local.set 34
  local.get 32
  i32.const 8421383
  call $x87_after
  if
    br 2
  end
  local.get 35
  i64.load
  local.set 37
end
local.get 0
local.get 43
i64.store offset=2408
local.get 32
i32.const 4
i32.shr_u
i32.const 112
i32.and
local.get 0
i32.add
i32.const 2000
i32.add
local.set 46
local.get 46
i64.load
local.set 47
block
  block
    local.get 33
    br_if 0
    local.get 46
    local.get 47
    local.get 35
    local.get 37
    call $x87_fast_add
    local.tee 47
    i64.const 1
    i64.ne
    br_if 1
  end
  local.get 32
  i32.const 8421383
  local.get 18
  i32.const 459266
  call $x87_before
  i32.const 0
  i32.const 1
  i32.const 0
  i32.const 1
  call $x87_arith
  i32.const 1
  local.set 34
  local.get 32
  i32.const 98560
  call $x87_after
  if
    br 2
  end
  local.get 46
  i64.load
  local.set 47
end
local.get 17
i64.const 5
i64.add
local.set 48
local.get 34
if
  local.get 32
  i32.const 98560
  local.get 48
  call $x87_flush
else
  local.get 0
  local.get 48
  i64.store offset=2400
end
local.get 0
i32.load offset=2388
i32.const 128
i32.and
i32.eqz
i32.eqz
if
  local.get 0
  local.get 18
  i32.const 656131
  call $note_position
  call $fpu_check
  if
    br 2
  end
end
local.get 4
i64.const 16
i64.add
local.set 49
local.get 4
i64.const 16
i64.add
local.set 50
call $x87_enter
local.tee 32
i32.const 4097
i32.and
i32.const 1
i32.ne
local.set 33
i32.const 0
local.set 34
local.get 32
i32.const 4
i32.shr_u
i32.const 112
i32.and
local.get 0
i32.add
i32.const 2000
i32.add
local.set 46
local.get 46
i64.load
local.set 47
block
  block
    local.get 33
    br_if 0
    local.get 46
    i32.load16_u offset=8
    local.tee 52
    i32.const 32767
    i32.and
    i32.const 15360
    i32.sub
    local.tee 53
    i32.const 1
    i32.sub
    i32.const 2045
    i32.lt_u
    local.get 47
    i64.const 0
    i64.lt_s
    i32.and
    if
      local.get 47
      i64.const 2047
      i64.and
      local.get 47
      i64.const 11
      i64.shr_u
      i64.const 1
      i64.and
      i64.add
      i64.const 1023
      i64.add
      i64.const 11
      i64.shr_u
      local.set 54
      local.get 47
      i64.const 2047
      i64.and
      i64.const 0
      i64.ne
      i32.const 5
      i32.shl
      local.get 54
      i32.wrap_i64
      i32.const 9
      i32.shl
      i32.or
      local.set 51
      local.get 52
      i32.const 32768
      i32.and
      i32.const 4
      i32.shr_u
      local.get 53
      i32.or
      i32.const 1
      i32.sub
      i64.extend_i32_u
      i64.const 52
      i64.shl
      local.get 47
      i64.const 11
      i64.shr_u
      local.get 54
      i64.add
      i64.add
      local.set 55
    else
      local.get 46
      local.get 47
      call $x87_fast_to_f64
      local.set 55
      local.get 0
      i32.load offset=2432
      local.set 51
    end
    local.get 55
    local.set 56
    local.get 51
    i32.const 0
    i32.lt_s
    br_if 0
    local.get 49
    i32.wrap_i64
    i32.const 7
    i32.shr_u
    i32.const 131040
    i32.and
    local.tee 57
    i64.load offset=65544
    local.get 49
    i64.const 7
    i64.add
    i64.const -4096
    i64.and
    i64.eq
    if
      local.get 57
      i32.load offset=65560
      local.get 49
      i32.wrap_i64
      i32.add
      local.get 56
      i64.store
    else
      local.get 0
      local.get 56
      i64.store offset=2528
      local.get 0
      local.get 49
      i32.const 8
      i32.const 656131
      local.get 18
      call $slow_write
      i32.eqz
      br_if 3
      i32.const 0
      local.set 19
    end
    local.get 0
    local.get 0
    i32.load offset=2388
    i32.const -513
    i32.and
    local.get 51
    i32.or
    i32.store offset=2388
    br 1
  end
  local.get 32
  i32.const 0
  local.get 18
  i32.const 656131
  call $x87_before
  local.get 49
  local.get 50
  i32.const 1
  call $x87_store_f64
  if
    br 2
  end
  i32.const 0
  local.set 19
  i32.const 1
  local.set 34
  local.get 32
  i32.const 257
  call $x87_after
  if
    br 2
  end
end
local.get 0
local.get 50
i64.store offset=2408
local.get 17
i64.const 7
i64.add
local.set 58
local.get 32
i32.const 257
local.get 58
call $x87_flush
