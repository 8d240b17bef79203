"""Dangerous: names that execute, import, open, connect or load code, with the reason.

A list like this is never whole; that is why everything unlisted is suspicious. It decides which
files are *malicious*. To add a name: put it into the group whose reason fits, or make a group.
"""

from __future__ import annotations

from scanner.policy.entries import Danger, Judged

_PICKLE = "https://docs.python.org/3/library/pickle.html#restricting-globals"
_SCAN = "https://github.com/mmaitre314/picklescan/security/advisories/"

DANGEROUS = (
    Danger(
        "runs a command or manages processes", _PICKLE,
        modules=(
            "os", "posix", "nt", "subprocess", "_posixsubprocess", "_winapi", "commands", "popen2",
            "pty", "sh", "plumbum", "pexpect", "ptyprocess", "psutil", "fabric", "invoke",
            "paramiko", "docker", "multiprocessing", "_multiprocessing", "concurrent", "signal",
            "_signal", "billiard", "celery", "ray", "dask", "loky",
        ),
        names=(
            "platform:popen", "platform:_syscmd_ver", "platform:_syscmd_file", "mailcap:findmatch",
            "mailcap:test", "pipes:Template", "uuid:_get_command_stdout",
            "uuid:_find_mac_near_keyword",
            "uuid:_find_mac_under_heading", "uuid:_ifconfig_getnode", "uuid:_popen",
            "imaplib:IMAP4_stream", "setuptools:setup",
        ),
    ),
    Danger(
        "runs a command through a helper of the standard library", _SCAN + "GHSA-g38g-8gr9-h9xp",
        modules=(
            "_aix_support", "_osx_support", "_pyrepl", "test.support", "test.libregrtest",
            "test.regrtest", "sysconfig", "_sysconfigdata",
        ),
    ),
    Danger(
        "compiles or runs Python code", _PICKLE,
        modules=(
            "code", "codeop", "compileall", "py_compile", "runpy", "timeit", "pdb", "bdb",
            "doctest", "trace", "cProfile", "profile", "_lsprof", "pstats", "unittest", "pytest",
            "_pytest", "py", "nose", "IPython", "ipykernel", "jupyter_client", "jupyter_core",
            "notebook", "nbconvert", "rlcompleter", "jinja2", "mako", "chameleon", "numexpr",
            "asteval", "simpleeval", "sympy", "cffi", "numba", "cupy", "triton", "pyximport",
            "Cython", "turtledemo", "pycparser", "execnet", "RestrictedPython", 
        ),
        names=(
            "builtins:eval", "builtins:exec", "builtins:compile", "builtins:execfile",
            "builtins:breakpoint", "builtins:input", "builtins:raw_input", "builtins:help",
            "builtins:apply", "builtins:__build_class__", "builtins:quit", "builtins:exit",
            "builtins:license", "builtins:copyright", "builtins:credits",
            "types:FunctionType", "types:LambdaType", "types:CodeType", "types:MethodType",
            "types:ModuleType", "types:CoroutineType", "types:GeneratorType", "types:new_class",
            "types:prepare_class", "types:resolve_bases", "types:DynamicClassAttribute",
            "new:function", "new:code", "new:instancemethod", "new:module",
            "collections:namedtuple", "enum:_EnumDict", "dataclasses:make_dataclass",
            "dataclasses:_create_fn", "typing:get_type_hints", "typing:ForwardRef",
            "typing:_eval_type", "annotationlib:get_annotations", "site:execsitecustomize",
            "site:addpackage", "site:addsitedir", "distutils.core:run_setup",
        ),
    ),
    Danger(
        "runs code in the IDLE or lib2to3 tools", _SCAN + "GHSA-3gf5-cxq9-w223",
        modules=("idlelib", "lib2to3", "blib2to3"),
    ),
    Danger(
        "imports modules or finds objects by name", _SCAN + "GHSA-vvpj-8cmc-gx39",
        modules=(
            "importlib", "imp", "_imp", "_frozen_importlib", "_frozen_importlib_external",
            "pkgutil", "zipimport", "modulefinder", "pkg_resources", "importlib_metadata", "site",
            "sitecustomize", "usercustomize",
        ),
        names=(
            "builtins:__import__", "builtins:reload", "builtins:__loader__",
            "hydra.utils:get_class", "hydra.utils:get_method", "hydra.utils:get_object",
            "hydra._internal.utils:_locate",
        ),
    ),
    Danger(
        "installs packages or makes environments", _SCAN + "GHSA-xp4f-hrf8-rxw7",
        modules=(
            "pip", "setuptools", "_distutils_hack", "distutils", "ensurepip", "venv", "virtualenv",
            "easy_install", "conda", "wheel", "build", "zipapp", "pipx", "uv", "poetry",
        ),
    ),
    Danger(
        "reaches any attribute, or calls what it is given", _SCAN + "GHSA-46h3-79wf-xr6c",
        modules=("inspect", "gc", "sys", "ctypes", "_ctypes", "atexit", "pydoc", "contextvars"),
        names=(
            "builtins:setattr", "builtins:delattr", "builtins:globals", "builtins:locals",
            "builtins:vars", "builtins:map", "builtins:filter", "builtins:iter", "builtins:sorted",
            "builtins:min", "builtins:max", "builtins:super", "builtins:classmethod",
            "builtins:__builtins__", "builtins:__dict__", "builtins:intern", "builtins:reduce",
            "operator:attrgetter", "operator:methodcaller", "operator:itemgetter", "operator:call",
            "operator:getitem", "operator:setitem", "operator:delitem", "operator:concat",
            "operator:iconcat", "operator:__getitem__", "operator:__call__",
            "_operator:attrgetter", "_operator:methodcaller", "_operator:itemgetter",
            "_operator:call", "_operator:getitem", "_operator:setitem", "_operator:delitem",
            "functools:reduce", "_functools:reduce", "functools:partialmethod",
            "functools:singledispatch", "functools:singledispatchmethod", "functools:lru_cache",
            "functools:cmp_to_key", "functools:cached_property", "functools:wraps",
            "functools:update_wrapper", "itertools:starmap", "itertools:accumulate",
            "itertools:takewhile", "itertools:dropwhile", "itertools:filterfalse",
            "itertools:groupby", "itertools:imap", "itertools:ifilter",
            "weakref:finalize", "contextlib:ExitStack", "contextlib:AsyncExitStack",
            "contextlib:contextmanager", "contextlib:redirect_stdout", "copyreg:add_extension",
            "copyreg:remove_extension", "copyreg:pickle", "copyreg:constructor",
            "copyreg:clear_extension_cache", "heapq:merge",
            "random:shuffle", "string:Formatter", "reprlib:Repr",
            "sched:scheduler",
            "concurrent.futures:ThreadPoolExecutor",
        ),
    ),
    Danger(
        "starts threads or event loops", _SCAN + "GHSA-q77w-mwjj-7mqx",
        modules=("threading", "_thread", "thread", "asyncio", "asyncore", "asynchat", "trio",
                 "anyio", "gevent", "eventlet", "twisted", "tornado", "uvloop", "greenlet"),
    ),
    Danger(
        "opens a network connection", _PICKLE,
        modules=(
            "socket", "_socket", "ssl", "_ssl", "select", "selectors", "socketserver",
            "SocketServer", "http", "httplib", "BaseHTTPServer", "SimpleHTTPServer", "urllib",
            "urllib2", "urllib3", "urlparse", "requests", "aiohttp", "httpx", "httplib2",
            "pycurl", "smtplib", "smtpd", "ftplib", "poplib", "imaplib", "nntplib", "telnetlib",
            "xmlrpc", "xmlrpclib", "SimpleXMLRPCServer", "DocXMLRPCServer", "wsgiref", "cgi",
            "cgitb", "CGIHTTPServer", "webbrowser", "antigravity", "boto3", "botocore", "s3fs",
            "fsspec", "gcsfs", "smart_open", "grpc", "zmq", "websocket", "websockets", "dns",
            "git", "wget", "gdown", "huggingface_hub", "wandb", "mlflow", "nltk", "selenium",
            "playwright", "asyncssh", "pysftp", "redis", "pymongo", "psycopg2",
            "sqlalchemy", "torchdata", "kaggle", "uvicorn", "gunicorn", "flask", "bottle",
            "django", "werkzeug", "starlette", "fastapi",
        ),
    ),
    Danger(
        "opens, writes or removes files", _PICKLE,
        modules=(
            "shutil", "tempfile", "fileinput", "mmap", "tarfile", "zipfile", "dbm", "gdbm",
            "anydbm", "sqlite3", "_sqlite3", "shelve", "linecache", "fcntl", "winreg", "_winreg",
            "msvcrt", "msilib", "nis", "netrc", "filecmp", "dircache", "macpath", "h5py", "zarr",
            "send2trash", "aiofiles",
        ),
        names=(
            "builtins:open", "builtins:file", "io:open", "io:open_code", "io:FileIO",
            "_io:open", "_io:open_code", "_io:FileIO", "_pyio:open", "_pyio:FileIO",
            "_pyio:open_code", "codecs:open", "codecs:EncodedFile", "gzip:open", "gzip:GzipFile",
            "bz2:open", "bz2:BZ2File", "lzma:open", "lzma:LZMAFile", "tokenize:open",
            "wave:open", "aifc:open", "sunau:open", "chunk:Chunk", "configparser:ConfigParser.read",
            "xml.etree.ElementTree:parse", "xml.sax:parse", "xml.dom.minidom:parse",
            "pathlib:Path.open", "pathlib:Path.write_text", "pathlib:Path.write_bytes",
            "pathlib:Path.unlink", "glob:glob", "zoneinfo:ZoneInfo.from_file", "PIL.Image:open",
            "PIL.ImageMath:eval", "PIL.ImageMath:unsafe_eval", "PIL.ImageShow:show",
            "logging:FileHandler", "logging:basicConfig", "logging:StreamHandler",
            "logging:WatchedFileHandler",
        ),
    ),
    Danger(
        "opens files or runs constructors named in a configuration",
        "https://docs.python.org/3/library/logging.config.html#security-considerations",
        modules=("logging.config", "logging.handlers"),
        names=(
            "hydra.utils:instantiate", "hydra.utils:call", "hydra:main",
            "hydra._internal.instantiate._instantiate2:instantiate",
            "hydra._internal.instantiate._instantiate2:_call_target",
            "hydra._internal.instantiate._instantiate2:_resolve_target",
            "omegaconf:OmegaConf.load", "omegaconf.omegaconf:OmegaConf.load",
            "omegaconf:OmegaConf.register_new_resolver", "omegaconf.resolvers.oc:env",
        ),
    ),
    Danger(
        "loads another pickle or code object", _PICKLE,
        modules=(
            "pickle", "_pickle", "cPickle", "marshal", "cloudpickle", "dill", "jsonpickle",
            "yaml", "ruamel", "_compat_pickle", "pickletools", "srsly", "hickle", "klepto",
            "deepdiff", "kombu", "pickle5", "pickleshare", "persistent", "ZODB",
        ),
        names=(
            "joblib:load", "joblib:dump", "joblib:Parallel", "joblib:Memory",
            "joblib.numpy_pickle:load", "joblib.numpy_pickle:_unpickle",
            "joblib.numpy_pickle:NumpyUnpickler", "joblib.numpy_pickle_compat:load_compatibility",
            "joblib.memory:Memory", "joblib.parallel:Parallel", "joblib.externals:loky",
            "pandas:read_pickle", "pandas.io.pickle:read_pickle",
            "pandas.compat.pickle_compat:load",
            "pandas.compat.pickle_compat:loads", "sklearn.externals.joblib:load",
            "skops.io:load", "skops.io:loads", "statsmodels.iolib.smpickle:load_pickle",
            "networkx:read_gpickle", "gensim.utils:unpickle", "gensim.utils:SaveLoad.load",
            "spacy:load", "flair.data:Dictionary.load_from_file",
        ),
    ),
    Danger(
        "evaluates expressions or loads data that may run code", _SCAN + "GHSA-r8g5-cgf2-4m4m",
        modules=("numpy.f2py", "numpy.testing", "numpy.distutils", "numpy._pytesttester",
                 "numpy.ctypeslib", "numpy.lib.npyio", "numpy.lib._npyio_impl",
                 "numpy.lib._datasource", "numpy.lib.utils", "numpy.lib._utils_impl",
                 "numpy.lib.format", "numpy.lib._format_impl", "numpy.lib.introspect",
                 "numpy.compat", "numpy._core.memmap", "numpy.core.memmap",
                 "numpy._distributor_init",
                 "pandas.core.computation", "pandas.io", "scipy.io", "scipy._lib", "scipy.weave",
                 "scipy.datasets", "scipy.misc"),
        names=(
            "numpy:load", "numpy:save", "numpy:savez", "numpy:savetxt", "numpy:loadtxt",
            "numpy:genfromtxt", "numpy:fromfile", "numpy:memmap", "numpy:fromregex",
            "numpy:vectorize", "numpy:apply_along_axis", "numpy:apply_over_axes",
            "numpy:frompyfunc", "numpy:fromfunction", "numpy:piecewise", "numpy:DataSource",
            "numpy:info", "numpy:source", "numpy:lookfor", "numpy:safe_eval", "numpy:test",
            "numpy:show_config", "numpy:fromiter", "numpy.core.records:fromfile",
            "numpy._core.records:fromfile", "numpy.lib.shape_base:apply_along_axis",
            "numpy.core.numeric:fromfunction", "numpy.core.multiarray:fromfile",
            "numpy._core.multiarray:fromfile", "numpy.core.multiarray:set_string_function",
            "numpy.core._internal:_ctypes", "numpy.core.multiarray:datetime_data",
            "pandas:eval", "pandas:read_csv", "pandas:read_html", "pandas:read_sql",
            "pandas:read_json", "pandas:read_xml", "pandas:read_hdf", "pandas:DataFrame.eval",
            "pandas:DataFrame.query", "pandas:DataFrame.apply", "pandas.core.frame:DataFrame.eval",
            "pandas.core.frame:DataFrame.query", "pandas.core.frame:DataFrame.apply",
            "pandas.core.series:Series.apply", "sklearn.datasets:fetch_openml",
            "sklearn.utils._testing:assert_run_python_script",
            
        ),
    ),
    Danger(
        "loads, compiles or runs code in torch", _SCAN + "GHSA-vr7h-p6mm-wpmh",
        modules=(
            "torch.hub", "torch.jit", "torch._jit_internal", "torch._inductor", "torch._dynamo",
            "torch._functorch", "torch._export", "torch.export", "torch.package", "torch.compiler",
            "torch.utils.cpp_extension", "torch.utils._cpp_extension_versioner",
            "torch.utils.collect_env", "torch.utils.bottleneck", "torch.utils._config_module",
            "torch.utils._config_typing", "torch.utils.model_zoo", "torch.utils.benchmark",
            "torch.utils.checkpoint", "torch.utils.show_pickle", "torch.utils.model_dump",
            "torch.utils.tensorboard", "torch.utils.data.datapipes", "torch.utils.hipify",
            "torch.utils._pytree", "torch.utils._cxx_pytree", "torch.utils._get_clean_triton",
            "torch.utils._import_utils", "torch.utils._triton", "torch.utils.viz",
            "torch.utils.mobile_optimizer", "torch.utils.jit", "torch.utils.serialization",
            "torch.utils.data.graph", "torch.utils.data._utils.worker", "torch.utils.weak",
            "torch.distributed.rpc", "torch.distributed.elastic", "torch.distributed.run",
            "torch.distributed.launch", "torch.distributed.launcher",
            "torch.distributed.distributed_c10d", "torch.distributed.nn.jit", "torch.testing",
            "torch.fx.experimental", "torch.fx.passes", "torch.fx.interpreter", "torch.onnx",
            "torch.multiprocessing", "torch.cuda.jiterator", "torch.cuda._memory_viz",
            "torch.serialization", "torch._weights_only_unpickler", "torch._vendor",
            "torch._appdirs", "torch._logging", "torch._numpy.testing", "torch._utils_internal",
            "torch._lazy", "torch._library", "torch.library", "torch._classes", "torch._ops",
            "torch.profiler", "torch.monitor", "torch.backends.xeon",
            "torch.ao.ns", "torch.contrib", "torch._sources", "torch._strobelight",
            "torch._C._jit_tree_views", "torch.mps._utils", "torch.xpu._utils",
            "torch.sparse._triton_ops", "torch._prims", "torch._subclasses", "torch.overrides",
            "torch._custom_op", "torch._higher_order_ops", "torch.func",
        ),
        names=(
            "torch:load", "torch:save", "torch:compile", "torch:_import_dotted_name",
            "torch:_sys", "torch:_preload_cuda_deps", "torch:import_ir_module",
            "torch._utils:_import_dotted_name", "torch._utils:render_call",
            "torch._utils:ExceptionWrapper", "torch._utils:CallbackRegistry",
            "torch._utils:try_import", "torch.ops:load_library", "torch.classes:load_library",
            "torch.storage:_load_from_bytes_weights", "torch.storage:UntypedStorage.from_file",
            "torch:UntypedStorage.from_file", "torch:from_file",
            "torch.fx.graph_module:_exec_with_source",
            "torch.fx.graph_module:_forward_from_src", "torch.fx.graph_module:reduce_graph_module",
            "torch.fx.graph_module:reduce_package_graph_module",
            "torch.fx.graph_module:_method_from_src",
            "torch.fx.graph_module:reduce_deploy_graph_module", "torch.fx.graph:_exec",
            "torch.cuda:_compile_kernel", "torch.cuda.memory:_dump_snapshot",
            "torch._C:import_ir_module", "torch._C:import_ir_module_from_buffer",
            "torch._C:PyTorchFileReader", "torch._C:PyTorchFileWriter", "torch._C:CompilationUnit",
            "torch._C:_jit_import", "torch._C:_import_ir_module_from_package",
            "torch.autograd.profiler:profile",
            
            "torch.nn.modules.module:register_module_forward_hook", "torch.utils:set_module",
            "torch.fx:symbolic_trace",
            "torch.fx._symbolic_trace:symbolic_trace", "torch.fx._symbolic_trace:Tracer",
            "torchvision.models:get_model", "torchvision.io:read_file",
            "torchvision.extension:_load",
            "torchaudio:load", "torchvision.datasets.folder:default_loader",
            "torchvision.datasets.utils:download_url", "torchvision.datasets.folder:pil_loader",
        ),
    ),
    Danger(
        "loads a model, which may hold a pickle or code", "CVE-2024-3660",
        modules=(
            "transformers.dynamic_module_utils", "transformers.utils.hub", "transformers.commands",
            "transformers.testing_utils", "transformers.file_utils", "transformers.pipelines",
            "transformers.tools", "transformers.agents", "transformers.models.auto",
            "diffusers.utils.dynamic_modules_utils", "diffusers.utils.hub_utils",
            "diffusers.loaders", "diffusers.commands", "diffusers.utils.testing_utils",
            "accelerate.launchers", "accelerate.commands", "accelerate.test_utils",
            "keras.models", "keras.saving", "keras.src.saving", "keras.src.legacy.saving",
            "keras.engine.saving", "tensorflow.python.saved_model", "tensorflow.saved_model",
            "tensorflow.keras.models", "tensorflow.python.keras.saving",
            "tensorflow.python.platform",
            "tensorflow.io", "tensorflow.python.lib.io", "tensorflow.raw_ops",
            "tensorflow.python.ops",
            "onnx.hub", "onnxruntime", "openvino", "tensorrt", "safetensors.torch", "comfy",
            "ultralytics.utils.checks", "ultralytics.utils.downloads", "ultralytics.hub",
            "ultralytics.utils.patches", "yolov5.utils.downloads", "timm.models._hub",
            "fastai.learner", "langchain", "langchain_core", "langchain_community",
            "fairseq.hub_utils",
            "lightning.app", "lightning_app", "lightning.pytorch.cli", "pytorch_lightning.cli",
            "pytorch_lightning.utilities.cloud_io", "lightning_fabric.utilities.cloud_io",
            "lightning.fabric.utilities.cloud_io", "mmengine.config", "mmcv.utils.config", "gradio",
        ),
        names=(
            "tensorflow:py_function", "tensorflow:numpy_function", "tensorflow:load_op_library",
            "tensorflow:load_library", "keras.utils:get_file", "keras.layers:Lambda",
            "keras.src.layers.core.lambda_layer:Lambda", "keras.utils.data_utils:get_file",
            "keras.src.utils.python_utils:func_load", "keras.utils.generic_utils:func_load",
            "transformers:pipeline", "diffusers:DiffusionPipeline", "timm:create_model",
            "ultralytics:YOLO", "ultralytics.nn.tasks:attempt_load_weights",
            "ultralytics.nn.tasks:torch_safe_load", "ultralytics.nn.tasks:parse_model",
            "ultralytics.nn.tasks:temporary_modules", "yolov5.models.yolo:parse_model",
            "yolov5.models.experimental:attempt_load", "models.experimental:attempt_load",
            "models.yolo:parse_model", "accelerate.utils.other:load",
            "accelerate.utils.imports:is_package_available",
            "pytorch_lightning.core.saving:load_from_checkpoint",
            "fairseq.checkpoint_utils:load_checkpoint_to_cpu",
            "detectron2.config:LazyConfig.load", "fickling:load", "fickling.loader:load",
        ),
    ),
    Danger(
        "drives a desktop or a terminal", _PICKLE,
        modules=("tkinter", "_tkinter", "Tkinter", "turtle", "curses", "readline", "pyautogui",
                 "pynput", "win32api", "win32com", "win32process", "pythoncom", "comtypes", "java",
                 "jpype", "jnius", "objc", "gi", "pywintypes", "keyboard", "pyperclip"),
    ),
)  # fmt: skip

#: Names inside dangerous modules that genuine files hold and that run nothing: merely unknown.
EXEMPT = frozenset(
    {
        ("copyreg", "__newobj_ex__"),
        ("dill._dill", "_load_type"),
        ("torch.jit._pickle", "build_intlist"),
        ("torch.jit._pickle", "build_tensorlist"),
        ("torch.jit._pickle", "build_doublelist"),
        ("torch.jit._pickle", "build_boollist"),
        ("torch.jit._pickle", "build_tensor_from_id"),
        ("torch.jit._pickle", "restore_type_tag"),
        ("wandb.sdk.data_types.image", "Image"),
        ("transformers.models.auto.configuration_auto", "AutoConfig"),
        ("torch._subclasses.fake_tensor", "FakeTensor"),
        ("inspect", "_empty"),
        ("inspect", "_ParameterKind"),
        ("inspect", "Parameter"),
        ("inspect", "Signature"),
        ("os", "PathLike"),
        ("logging.handlers", "QueueHandler"),
        ("h5py._hl.base", "Empty"),
        ("http", "HTTPStatus"),
        ("http.cookiejar", "CookieJar"),
        ("threading", "local"),
        ("asyncio.log", "logger"),
    }
)

#: Dangerous modules that are single files and have ordinary words for names: "code.model" is
#: somebody's own package, and "torch.trace" is arithmetic.
ORDINARY = frozenset(
    {
        "build", "code", "commands", "conda", "dns", "git", "invoke", "new", "profile", "py",
        "select", "sh", "signal", "site", "test", "thread", "trace", "uv", "wheel", "redis",
        "keyboard", "turtle", "java", "objc", "gi", "cmd", "dask", "ray", "comfy",
    }
)  # fmt: skip

JUDGED = (
    Judged("builtins", "getattr", "attribute-access", "genuine YOLO files hold bound methods"),
    Judged("functools", "partial", "deferred-call", "genuine models hold partial layers"),
    Judged("_functools", "partial", "deferred-call", "genuine models hold partial layers"),
    Judged(
        "torch.storage", "_load_from_bytes", "nested-load",
        "pickle.dump writes a tensor so; the bytes are a torch file, judged in turn",
    ),
)  # fmt: skip

#: Loaders whose bytes are read in turn, wherever they may come from.
LOADERS = frozenset(
    {
        ("torch.storage", "_load_from_bytes"), ("pickle", "loads"), ("_pickle", "loads"),
        ("pickle", "load"), ("_pickle", "load"), ("cPickle", "loads"), ("dill", "loads"),
        ("dill._dill", "loads"), ("cloudpickle", "loads"), ("torch", "load"),
        ("torch.serialization", "load"), ("io", "BytesIO"), ("_io", "BytesIO"),
        ("joblib", "load"), ("numpy", "load"), ("pandas", "read_pickle"),
    }
)  # fmt: skip

#: Attributes that nobody reaches for honestly through a dotted name.
ATTRIBUTES = frozenset(
    {
        "eval", "exec", "execfile", "system", "popen", "spawn", "from_pretrained",
        "from_single_file", "load_from_checkpoint", "import_module", "load_library", "load_module",
        "exec_module", "run", "runctx", "runcode", "runcommand", "run_code", "check_output",
        "open", "write_text", "write_bytes", "unlink", "rmtree", "load", "loads", "from_file",
        "gi_frame", "gi_code", "f_globals", "f_builtins", "f_locals", "cr_frame", "tb_frame",
        "func_globals", "func_code", "im_func", "co_code", "mro",
    }
)  # fmt: skip
