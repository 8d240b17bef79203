"""Known good: exact names. No prefixes, no dotted names.

A survey of 3,119 public model files found nine names in all 95 diffusion models; the others come
from optimiser states, Lightning and omegaconf metadata, numpy arrays and the standard library.
To add one: a line with its role, the arguments that genuine files pass, and the reason.
"""

from __future__ import annotations

from scanner.policy.entries import Known, Role

_STORAGES = (
    "BFloat16Storage", "BoolStorage", "ByteStorage", "CharStorage", "ComplexDoubleStorage",
    "ComplexFloatStorage", "DoubleStorage", "FloatStorage", "HalfStorage", "IntStorage",
    "LongStorage", "QInt32Storage", "QInt8Storage", "QUInt2x4Storage", "QUInt4x2Storage",
    "QUInt8Storage", "ShortStorage",
)  # fmt: skip
_DTYPES = (
    "bfloat16", "bool", "cdouble", "cfloat", "chalf", "complex128", "complex32", "complex64",
    "double", "float", "float16", "float32", "float64", "float8_e4m3fn", "float8_e4m3fnuz",
    "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu", "half", "int", "int16", "int32", "int64",
    "int8", "long", "qint32", "qint8", "quint2x4", "quint4x2", "quint8", "short", "uint16",
    "uint32", "uint64", "uint8",
    # Narrower than a byte: quantised models name them in their settings.
    "float4_e2m1fn_x2", *(f"{kind}{bits}" for kind in ("int", "uint") for bits in range(1, 8)),
)  # fmt: skip
_CONSTANTS = (
    "strided", "sparse_coo", "sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc",
    "contiguous_format", "channels_last", "channels_last_3d", "preserve_format",
    "per_tensor_affine", "per_channel_affine", "per_tensor_symmetric", "per_channel_symmetric",
)  # fmt: skip

TORCH = (
    *(Known("torch", name, Role.TYPE, "names a storage's element type") for name in _STORAGES),
    Known("torch", "UntypedStorage", Role.TYPE, "names a storage of bytes"),
    Known("torch.storage", "UntypedStorage", Role.TYPE, "names a storage of bytes"),
    Known("torch.storage", "TypedStorage", Role.TYPE, "names a storage"),
    Known("torch.storage", "_UntypedStorage", Role.TYPE, "its name before torch 2.0"),
    Known("torch.storage", "_TypedStorage", Role.TYPE, "its name before torch 2.0"),
    *(Known("torch", name, Role.CONSTANT, "a dtype") for name in _DTYPES),
    *(Known("torch", name, Role.CONSTANT, "a layout, format or scheme") for name in _CONSTANTS),
    Known(
        "torch", "Tensor", Role.TYPE, "the class that _rebuild_from_type_v2 restores",
        makes="tensor",
    ),
    Known("torch.nn.parameter", "Parameter", Role.TYPE, "a parameter's class", makes="tensor"),
    Known("torch.nn.parameter", "Buffer", Role.TYPE, "a buffer's class", makes="tensor"),
    Known("torch", "Size", Role.OBJECT, "a shape", "ints"),
    Known("torch", "device", Role.CALLABLE, "a device's name", "text int?"),
    Known("torch.serialization", "_get_layout", Role.CALLABLE, "a layout by name", "text"),
    Known(
        "torch._utils", "_rebuild_tensor", Role.CALLABLE, "a tensor over a storage",
        "storage int ints ints", "tensor",
    ),
    Known(
        "torch._utils", "_rebuild_tensor_v2", Role.CALLABLE, "a tensor over a storage",
        "storage int ints ints bool hooks dict|none?", "tensor",
    ),
    Known(
        "torch._utils", "_rebuild_tensor_v3", Role.CALLABLE, "a tensor over untyped bytes",
        "storage int ints ints bool hooks dtype dict|none?", "tensor",
    ),
    Known(
        "torch._utils", "_rebuild_parameter", Role.CALLABLE, "marks a tensor as a parameter",
        "tensor bool hooks", "tensor",
    ),
    Known(
        "torch._utils", "_rebuild_parameter_with_state", Role.CALLABLE,
        "a parameter with attributes", "tensor bool hooks data", "tensor",
    ),
    Known(
        "torch._utils", "_rebuild_sparse_tensor", Role.CALLABLE, "a sparse tensor of its parts",
        "layout data", "tensor",
    ),
    Known(
        "torch._utils", "_rebuild_sparse_csr_tensor", Role.CALLABLE,
        "a sparse tensor of its parts", "layout data", "tensor",
    ),
    Known(
        "torch._utils", "_rebuild_qtensor", Role.CALLABLE, "a quantised tensor",
        "storage int ints ints data bool hooks", "tensor",
    ),
    Known(
        "torch._utils", "_rebuild_meta_tensor_no_storage", Role.CALLABLE,
        "a tensor without values", "dtype ints ints bool", "tensor",
    ),
    Known(
        "torch._utils", "_rebuild_device_tensor_from_numpy", Role.CALLABLE,
        "a tensor from an accelerator", "object dtype text bool", "tensor",
    ),
    Known(
        "torch._tensor", "_rebuild_from_type_v2", Role.CALLABLE,
        "restores a tensor's class and attributes", "rebuilder type tuple data", "tensor",
    ),
    Known(
        "torch._tensor", "_rebuild_from_type", Role.CALLABLE,
        "restores a tensor's class and attributes", "rebuilder type tuple dict", "tensor",
    ),
    Known(
        "torch.nn.modules.container", "ParameterDict", Role.OBJECT,
        "parameters by name, as A1111's embeddings hold them",
    ),
    Known("torch.torch_version", "TorchVersion", Role.OBJECT, "a version string", "text"),
)  # fmt: skip

_CONTAINER = "container?"
BUILTINS = (
    *(
        Known("builtins", name, Role.OBJECT, "a plain container", _CONTAINER)
        for name in ("dict", "list", "set", "frozenset", "tuple")
    ),
    *(
        Known("builtins", name, Role.CALLABLE, "a plain value", schema)
        for name, schema in (
            ("bytearray", "text|bytes? codec?"), ("bytes", "text|bytes? codec?"), ("str", "plain?"),
            ("int", "plain?"), ("float", "plain?"), ("bool", "plain?"),
            ("complex", "number number?"), ("range", "int int? int?"),
            ("slice", "int|none int|none? int|none?"),
        )
    ),
    Known("builtins", "object", Role.TYPE, "the base of every class"),
    Known(
        "builtins", "type", Role.CALLABLE, "the type of None, Ellipsis or a number",
        "plain|constant",
    ),
    Known("builtins", "Ellipsis", Role.CONSTANT, "a constant"),
    Known("builtins", "NotImplemented", Role.CONSTANT, "a constant"),
)  # fmt: skip

STANDARD_LIBRARY = (
    Known("collections", "OrderedDict", Role.OBJECT, "every state dict", _CONTAINER),
    Known(
        "collections", "defaultdict", Role.OBJECT, "a dict of builtin containers",
        "factory? container?",
    ),
    Known("collections", "Counter", Role.OBJECT, "a dict of counts", _CONTAINER),
    Known("collections", "deque", Role.OBJECT, "a plain container", "container? int|none?"),
    Known(
        "copyreg", "_reconstructor", Role.OBJECT, "instances in protocols 0 and 1",
        "type type plain|container",
    ),
    Known("copyreg", "__newobj__", Role.OBJECT, "instances in protocols 0 and 1", "type data*"),
    Known("_codecs", "encode", Role.CALLABLE, "bytes in protocols 0 to 2", "text codec"),
    Known("array", "array", Role.OBJECT, "numbers", "text container|bytes?"),
    Known("array", "_array_reconstructor", Role.CALLABLE, "numbers", "type text int bytes"),
    Known("datetime", "date", Role.CALLABLE, "a date", "bytes|int int? int?"),
    Known("datetime", "datetime", Role.CALLABLE, "a time stamp", "bytes|int data*"),
    Known("datetime", "time", Role.CALLABLE, "a time", "bytes|int data*"),
    Known("datetime", "timedelta", Role.CALLABLE, "a span of time", "number number? number?"),
    Known("datetime", "timezone", Role.CALLABLE, "a time zone", "object text?"),
    Known("datetime", "timezone.utc", Role.CONSTANT, "a time zone"),
    Known("decimal", "Decimal", Role.CALLABLE, "a number", "text|int"),
    Known("fractions", "Fraction", Role.CALLABLE, "a number", "ratio int?"),
    Known("uuid", "UUID", Role.OBJECT, "an identifier", "text?"),
    *(
        Known("pathlib", name, Role.CALLABLE, "a path, not opened", "text*")
        for name in (
            "Path", "PosixPath", "PurePath", "PurePosixPath", "PureWindowsPath", "WindowsPath",
        )
    ),
    *(
        Known("pathlib._local", name, Role.CALLABLE, "a path, as Python 3.13 spells it", "text*")
        for name in (
            "Path", "PosixPath", "PurePath", "PurePosixPath", "PureWindowsPath", "WindowsPath",
        )
    ),
    Known("typing", "Any", Role.CONSTANT, "the type annotation in omegaconf nodes"),
)  # fmt: skip

_NUMPY_SCALARS = (
    "bool_", "complex128", "complex64", "float16", "float32", "float64", "int16", "int32",
    "int64", "int8", "str_", "uint16", "uint32", "uint64", "uint8",
)  # fmt: skip
_BIT_GENERATORS = (
    ("MT19937", "_mt19937"), ("PCG64", "_pcg64"), ("PCG64DXSM", "_pcg64"), ("Philox", "_philox"),
    ("SFC64", "_sfc64"),
)  # fmt: skip
NUMPY = (
    *(
        Known(module, name, role, reason, schema)
        for module in ("numpy.core.multiarray", "numpy._core.multiarray")
        for name, role, reason, schema in (
            ("_reconstruct", Role.OBJECT, "an empty array, then BUILD", "type zeros text|bytes"),
            ("scalar", Role.CALLABLE, "a number", "dtype text|bytes|data?"),
        )
    ),
    *(
        Known(module, "_frombuffer", Role.CALLABLE, "an array over bytes", "data dtype ints text")
        for module in ("numpy.core.numeric", "numpy._core.numeric")
    ),
    Known("numpy", "dtype", Role.OBJECT, "an element type", "text|scalar bool|int? bool|int?"),
    Known("numpy", "ndarray", Role.TYPE, "the class of an array"),
    *(Known("numpy", name, Role.TYPE, "an element type") for name in _NUMPY_SCALARS),
    *(
        Known("numpy.dtypes", f"{name}DType", Role.OBJECT, "an element type", "data*")
        for name in (
            "Bool", "Complex128", "Complex64", "Float16", "Float32", "Float64", "Int16", "Int32",
            "Int64", "Int8", "UInt16", "UInt32", "UInt64", "UInt8", "Str", "Bytes",
        )
    ),
    *(
        Known("numpy.random._pickle", name, Role.OBJECT, "a random state", schema)
        for name, schema in (
            ("__randomstate_ctor", "text|bitgen|generator constructor?"),
            ("__generator_ctor", "text|bitgen|generator constructor?"),
            ("__bit_generator_ctor", "text|bitgen?"),
        )
    ),
    Known(
        "numpy.random.bit_generator", "__pyx_unpickle_SeedSequence", Role.OBJECT,
        "the seed of a random generator", "type int none",
    ),
    Known("numpy.random.bit_generator", "SeedSequence", Role.TYPE, "a random generator's seed"),
    *(
        Known(f"numpy.random.{module}", name, Role.TYPE, "a random generator")
        for name, module in _BIT_GENERATORS
    ),
)  # fmt: skip

CONFIGURATION = (
    Known("omegaconf.base", "ContainerMetadata", Role.OBJECT, "part of a configuration"),
    Known("omegaconf.base", "Metadata", Role.OBJECT, "part of a configuration"),
    Known("omegaconf.dictconfig", "DictConfig", Role.OBJECT, "a configuration"),
    Known("omegaconf.listconfig", "ListConfig", Role.OBJECT, "a configuration"),
    *(
        Known("omegaconf.nodes", name, Role.OBJECT, "a value of a configuration")
        for name in (
            "AnyNode", "BooleanNode", "BytesNode", "FloatNode", "IntegerNode", "PathNode",
            "StringNode", "ValueNode",
        )
    ),
    *(
        Known(f"{package}.utilities.parsing", "AttributeDict", Role.OBJECT, "hyper-parameters")
        for package in ("pytorch_lightning", "lightning.pytorch", "lightning_fabric")
    ),
    *(
        Known(f"{package}.utilities.data", "AttributeDict", Role.OBJECT, "hyper-parameters")
        for package in ("lightning_fabric", "lightning.fabric")
    ),
    *(
        Known(
            f"{package}.callbacks.model_checkpoint", "ModelCheckpoint", Role.TYPE,
            "the key of Lightning's checkpoint bookkeeping",
        )
        for package in ("pytorch_lightning", "lightning.pytorch")
    ),
)  # fmt: skip

KNOWN_GOOD = (*TORCH, *BUILTINS, *STANDARD_LIBRARY, *NUMPY, *CONFIGURATION)
