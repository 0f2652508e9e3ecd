using System.Reflection.PortableExecutable;

namespace KestrelEventLoopTransport.IntegrationTests.Packages;

internal static class Precompiled
{
    /// <summary>Whether an assembly has ReadyToRun code beside its IL.</summary>
    public static bool IsCode(Stream assembly)
    {
        assembly.Position = 0;
        using var reader = new PEReader(assembly, PEStreamOptions.LeaveOpen);
        return reader.PEHeaders.CorHeader!.ManagedNativeHeaderDirectory.Size > 0;
    }
}
