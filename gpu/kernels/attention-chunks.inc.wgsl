// The lines of BODY for each chunk c of a head's columns: unrolled with HELD, where the rows are in arrays.
#if HELD == yes
#for C 0 CHUNKS
{
  let c = $(C)u;
  #include $(BODY)
}
#end
#else
// Not a loop that asks at its head: the adapters run what follows a break in its last round too, for no lane.
{
  var c = 0u;
  loop {
    #include $(BODY)
    continuing {
      c++;
      break if c >= p.shape.chunks;
    }
  }
}
#end
