// With HELD, an array of a lane for COUNT rows of NAME. What is behind a head's last chunk stays zero.
#if HELD == yes
var<private> $(NAME)_rows: array<vec4f, $(CHUNKS * COUNT)>;
#end
