"""Stores the weights of a GGUF file again in another encoding, for a study of kind `quantisation` (docs/studies.md):

    python3 test/reference/gguf_quantise.py FILE.gguf Q8_0|Q5_1|Q4_0|... OUT.gguf      (gguf, numpy)

Matrices whose rows the encoding's blocks divide are converted, from float32; vectors and all metadata stay.
"""

import sys

import numpy as np
from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter
from gguf.constants import GGML_QUANT_SIZES
from gguf.quants import dequantize, quantize

source, name, out = sys.argv[1:4]
wanted = GGMLQuantizationType[name]
block = GGML_QUANT_SIZES[wanted][0]
reader = GGUFReader(source)
architecture = reader.fields["general.architecture"].contents()
writer = GGUFWriter(out, architecture)
for field in reader.fields.values():
    if field.name.startswith("GGUF.") or field.name in ("general.architecture", "general.file_type"):
        continue
    kind = field.types[0]
    writer.add_key_value(field.name, field.contents(), kind, field.types[-1] if kind == GGUFValueType.ARRAY else None)
for tensor in reader.tensors:
    if len(tensor.shape) < 2 or tensor.shape[0] % block != 0:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
        continue
    values = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
    writer.add_tensor(tensor.name, quantize(values, wanted), raw_dtype=wanted)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
