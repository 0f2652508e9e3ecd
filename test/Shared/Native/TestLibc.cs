using System.Reflection;
using System.Runtime.InteropServices;

namespace KestrelEventLoopTransport.Testing;

/// <summary>
/// Gives the transport's assembly another library in place of libc. What the library does not define itself comes
/// from the libraries it depends on, which dlsym(3) searches too: the real libc.
/// </summary>
/// <remarks>
/// A process has one choice, made before the transport's first call: imports are bound once.
/// </remarks>
internal static class TestLibc
{
    /// <summary>
    /// Names the library that has <c>kqueue</c> and <c>kevent</c>: a path, or a file beside the tests. An interposed
    /// library that does not have them itself looks them up there as well.
    /// </summary>
    public const string KqueueVariable = "KESTREL_TEST_KQUEUE_LIBRARY";

    private static nint _handle;

    /// <summary>The library of <see cref="KqueueVariable"/>; <see langword="null"/> when it is not set.</summary>
    public static string? KqueueLibrary
        => Environment.GetEnvironmentVariable(KqueueVariable) is { Length: > 0 } library ? library : null;

    /// <summary>Makes the transport call a library.</summary>
    /// <param name="library">A path, or a file beside the tests.</param>
    public static void Use(string library)
    {
        var assembly = typeof(EventLoopTransportFactory).Assembly;
        _handle = NativeLibrary.Load(Path.Combine(AppContext.BaseDirectory, library));
        NativeLibrary.SetDllImportResolver(assembly, Resolve);
    }

    /// <summary>A function of the library, for the test to call.</summary>
    public static nint GetExport(string name) => NativeLibrary.GetExport(_handle, name);

    // Zero leaves any other library to the runtime.
    private static nint Resolve(string library, Assembly assembly, DllImportSearchPath? searchPath)
        => library == "libc" ? _handle : 0;
}
