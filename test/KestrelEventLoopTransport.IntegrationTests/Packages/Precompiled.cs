using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;

namespace KestrelEventLoopTransport.IntegrationTests.Packages;

/// <summary>The ReadyToRun code that an assembly has beside its IL.</summary>
internal static class Precompiled
{
    // READYTORUN_HEADER and READYTORUN_SECTION, readytorun.h
    private const int HeaderSize = 16;
    private const int RuntimeFunctions = 102;

    /// <summary>Whether an assembly has any.</summary>
    public static bool IsCode(Stream assembly)
    {
        using var reader = Open(assembly);
        return reader.PEHeaders.CorHeader!.ManagedNativeHeaderDirectory.Size > 0;
    }

    /// <summary>The bytes of its table of functions, which has 12 for each one on x64, 8 on arm64.</summary>
    public static int TableSize(Stream assembly)
    {
        using var reader = Open(assembly);
        var header = reader.GetSectionData(
            reader.PEHeaders.CorHeader!.ManagedNativeHeaderDirectory.RelativeVirtualAddress).GetReader();
        header.Offset = HeaderSize - sizeof(int);
        for (var sections = header.ReadInt32(); sections > 0; sections--)
        {
            var (type, _, size) = (header.ReadInt32(), header.ReadInt32(), header.ReadInt32());
            if (type == RuntimeFunctions)
            {
                return size;
            }
        }

        return 0;
    }

    public static int CountMethods(Stream assembly)
    {
        using var reader = Open(assembly);
        var metadata = reader.GetMetadataReader();
        return metadata.MethodDefinitions.Count(
            method => metadata.GetMethodDefinition(method).RelativeVirtualAddress != 0);
    }

    private static PEReader Open(Stream assembly)
    {
        assembly.Position = 0;
        return new PEReader(assembly, PEStreamOptions.LeaveOpen);
    }
}
