using System.Runtime.CompilerServices;

namespace KestrelEventLoopTransport.Testing;

/// <summary>With <see cref="TestLibc.KqueueVariable"/> set, the whole suite runs on that library.</summary>
internal static class TestLibcChoice
{
    [ModuleInitializer]
    internal static void Choose()
    {
        if (TestLibc.KqueueLibrary is { } library)
        {
            TestLibc.Use(library);
        }
    }
}
