;; fld [rbx]; fmul [rbx+8]; faddp; fstp [rbx+16]: 681 instructions
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
  i32.const 0
  local.set 26
end
local.get 26
if
  local.get 26
  local.set 25
else
  local.get 0
  local.get 24
  i32.const 8
  i32.const 131074
  local.get 18
  call $slow_read
  local.tee 25
  i32.eqz
  br_if 1
end
local.get 25
i64.load
local.set 29
local.get 4
local.set 30
local.get 0
i32.load offset=2388
local.set 31
local.get 0
i32.load offset=2392
local.tee 32
i32.const 8
i32.shl
local.get 32
i32.or
local.get 31
i32.const 11
i32.shr_u
i32.const 7
i32.and
i32.shr_u
local.set 32
local.get 0
i32.load offset=2384
i32.const 3903
i32.and
i32.const 831
i32.eq
local.set 33
local.get 31
i32.const 7
i32.shr_u
i32.const 112
i32.add
i32.const 112
i32.and
local.get 0
i32.add
local.set 34
block
  block
    local.get 33
    i32.eqz
    br_if 0
    local.get 32
    i32.const 128
    i32.and
    i32.const 0
    i32.ne
    br_if 0
    local.get 29
    i64.const 52
    i64.shr_u
    i32.wrap_i64
    i32.const 2047
    i32.and
    local.tee 37
    i32.const 1
    i32.sub
    i32.const 2046
    i32.lt_u
    if
      local.get 29
      i64.const 48
      i64.shr_u
      i32.wrap_i64
      i32.const 32768
      i32.and
      local.get 37
      i32.const 15360
      i32.add
      i32.or
      local.set 35
      local.get 29
      i64.const 11
      i64.shl
      i64.const -9223372036854775808
      i64.or
      local.set 36
    else
      local.get 29
      i64.const 1
      i64.shl
      i64.eqz
      i32.eqz
      br_if 1
      local.get 29
      i64.const 48
      i64.shr_u
      i32.wrap_i64
      i32.const 32768
      i32.and
      local.set 35
      i64.const 0
      local.set 36
    end
    local.get 34
    local.get 36
    i64.store offset=2000
    local.get 34
    local.get 35
    i32.store16 offset=2008
    local.get 31
    i32.const -513
    i32.and
    local.set 31
    br 1
  end
  local.get 0
  local.get 31
  i32.store offset=2388
  local.get 0
  local.get 18
  i32.const 131074
  call $note_position
  local.get 29
  local.get 30
  call $x87_load_f64
  local.get 31
  i32.const 8421383
  call $x87_resume
  local.tee 31
  i32.const -1
  i32.eq
  if
    call $x87_leave
    drop
    br 2
  end
end
local.get 30
local.set 38
local.get 4
i64.const 8
i64.add
local.set 39
local.get 26
if
  local.get 26
  i32.const 8
  i32.add
  local.set 40
else
  local.get 31
  local.get 32
  i32.const 8421383
  call $x87_commit
  local.get 17
  i64.const 0
  i64.add
  local.set 41
  local.get 0
  local.get 41
  i64.store offset=2400
  local.get 0
  local.get 38
  i64.store offset=2408
  local.get 0
  local.get 39
  i32.const 8
  i32.const 327939
  local.get 18
  call $slow_read
  local.tee 40
  i32.eqz
  br_if 1
end
local.get 40
i64.load
local.set 42
local.get 4
i64.const 8
i64.add
local.set 43
block
  block
    local.get 33
    i32.eqz
    br_if 0
    local.get 42
    i64.const 52
    i64.shr_u
    i32.wrap_i64
    i32.const 2047
    i32.and
    local.tee 46
    i32.const 1
    i32.sub
    i32.const 2046
    i32.lt_u
    if
      local.get 42
      i64.const 48
      i64.shr_u
      i32.wrap_i64
      i32.const 32768
      i32.and
      local.get 46
      i32.const 15360
      i32.add
      i32.or
      local.set 44
      local.get 42
      i64.const 11
      i64.shl
      i64.const -9223372036854775808
      i64.or
      local.set 45
    else
      local.get 42
      i64.const 1
      i64.shl
      i64.eqz
      i32.eqz
      br_if 1
      local.get 42
      i64.const 48
      i64.shr_u
      i32.wrap_i64
      i32.const 32768
      i32.and
      local.set 44
      i64.const 0
      local.set 45
    end
    local.get 34
    i32.const 2000
    i32.add
    local.get 34
    i32.load16_u offset=2008
    local.get 34
    i64.load offset=2000
    local.get 44
    local.get 45
    call $x87_fast_mul
    local.set 47
    local.get 47
    i32.const 0
    i32.lt_s
    br_if 0
    local.get 31
    i32.const -513
    i32.and
    local.get 47
    i32.or
    local.set 31
    br 1
  end
  local.get 31
  local.get 32
  i32.const 8421383
  call $x87_commit
  local.get 0
  local.get 18
  i32.const 327939
  call $note_position
  i32.const 1
  local.get 42
  local.get 43
  call $x87_arith_f64
  local.get 31
  i32.const 8421383
  call $x87_resume
  local.tee 31
  i32.const -1
  i32.eq
  if
    call $x87_leave
    drop
    br 2
  end
end
local.get 43
local.set 38
local.get 31
i32.const 7
i32.shr_u
i32.const 112
i32.and
local.get 0
i32.add
local.set 48
block
  block
    local.get 33
    i32.eqz
    br_if 0
    local.get 32
    i32.const 1
    i32.and
    i32.const 1
    i32.ne
    br_if 0
    local.get 48
    i32.const 2000
    i32.add
    local.get 48
    i32.load16_u offset=2008
    local.get 48
    i64.load offset=2000
    local.get 34
    i32.load16_u offset=2008
    local.get 34
    i64.load offset=2000
    call $x87_fast_add
    local.set 49
    local.get 49
    i32.const 0
    i32.lt_s
    br_if 0
    local.get 31
    i32.const -513
    i32.and
    local.get 49
    i32.or
    local.set 31
    br 1
  end
  local.get 0
  local.get 38
  i64.store offset=2408
  local.get 31
  local.get 32
  i32.const 8421383
  call $x87_commit
  local.get 0
  local.get 18
  i32.const 459266
  call $note_position
  i32.const 0
  i32.const 1
  i32.const 0
  i32.const 1
  call $x87_arith
  local.get 31
  i32.const 98560
  call $x87_resume
  local.tee 31
  i32.const -1
  i32.eq
  if
    call $x87_leave
    drop
    br 2
  end
end
local.get 31
local.get 32
i32.const 98560
call $x87_commit
local.get 17
i64.const 5
i64.add
local.set 50
local.get 0
local.get 50
i64.store offset=2400
local.get 0
local.get 38
i64.store offset=2408
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
local.set 51
local.get 4
i64.const 16
i64.add
local.set 52
local.get 0
i32.load offset=2388
local.set 31
local.get 0
i32.load offset=2392
local.tee 32
i32.const 8
i32.shl
local.get 32
i32.or
local.get 31
i32.const 11
i32.shr_u
i32.const 7
i32.and
i32.shr_u
local.set 32
local.get 0
i32.load offset=2384
i32.const 3903
i32.and
i32.const 831
i32.eq
local.set 33
local.get 31
i32.const 7
i32.shr_u
i32.const 112
i32.and
local.get 0
i32.add
local.set 48
block
  block
    local.get 33
    i32.eqz
    br_if 0
    local.get 32
    i32.const 1
    i32.and
    i32.const 1
    i32.ne
    br_if 0
    local.get 48
    i32.load16_u offset=2008
    local.get 48
    i64.load offset=2000
    local.set 55
    local.set 54
    local.get 54
    i32.const 32767
    i32.and
    i32.const 15360
    i32.sub
    local.tee 57
    i32.const 1
    i32.sub
    i32.const 2045
    i32.lt_u
    local.get 55
    i64.const 63
    i64.shr_u
    i32.wrap_i64
    i32.and
    if
      local.get 55
      i64.const 2047
      i64.and
      local.get 55
      i64.const 11
      i64.shr_u
      i64.const 1
      i64.and
      i64.add
      i64.const 1023
      i64.add
      i64.const 11
      i64.shr_u
      local.set 58
      local.get 55
      i64.const 2047
      i64.and
      i64.eqz
      i32.eqz
      i32.const 5
      i32.shl
      local.get 58
      i32.wrap_i64
      i32.const 9
      i32.shl
      i32.or
      local.set 53
      local.get 54
      i32.const 32768
      i32.and
      i64.extend_i32_u
      i64.const 48
      i64.shl
      local.get 57
      i64.extend_i32_u
      i64.const 52
      i64.shl
      i64.or
      local.get 55
      i64.const 1
      i64.shl
      i64.const 12
      i64.shr_u
      i64.or
      local.get 58
      i64.add
      local.set 56
    else
      local.get 54
      i32.const 32767
      i32.and
      i64.extend_i32_u
      local.get 55
      i64.or
      i64.eqz
      i32.eqz
      br_if 1
      local.get 54
      i32.const 32768
      i32.and
      i64.extend_i32_u
      i64.const 48
      i64.shl
      local.set 56
      i32.const 0
      local.set 53
    end
    local.get 56
    local.set 59
    local.get 51
    i32.wrap_i64
    i32.const 7
    i32.shr_u
    i32.const 131040
    i32.and
    local.tee 60
    i64.load offset=65544
    local.get 51
    i64.const 7
    i64.add
    i64.const -4096
    i64.and
    i64.eq
    if
      local.get 60
      i32.load offset=65560
      local.get 51
      i32.wrap_i64
      i32.add
      local.get 59
      i64.store
    else
      local.get 0
      local.get 59
      i64.store offset=2528
      local.get 0
      local.get 31
      i32.store offset=2388
      local.get 0
      local.get 51
      i32.const 8
      i32.const 656131
      local.get 18
      call $slow_write
      i32.eqz
      br_if 3
      i32.const 0
      local.set 19
    end
    local.get 53
    i32.const 0
    i32.lt_s
    br_if 0
    local.get 31
    i32.const -513
    i32.and
    local.get 53
    i32.or
    local.set 31
    br 1
  end
  local.get 0
  local.get 31
  i32.store offset=2388
  local.get 0
  local.get 31
  i32.store offset=2388
  local.get 0
  local.get 18
  i32.const 656131
  call $note_position
  local.get 51
  local.get 52
  i32.const 1
  call $x87_store_f64
  if
    br 2
  end
  i32.const 0
  local.set 19
  local.get 31
  i32.const 257
  call $x87_resume
  local.tee 31
  i32.const -1
  i32.eq
  if
    call $x87_leave
    drop
    br 2
  end
end
local.get 52
local.set 38
local.get 31
local.get 32
i32.const 257
call $x87_commit
local.get 17
i64.const 7
i64.add
local.set 61
local.get 0
local.get 61
i64.store offset=2400
local.get 0
local.get 38
i64.store offset=2408
