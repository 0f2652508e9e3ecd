namespace KestrelEventLoopTransport.Tests.Layers;

/// <summary>The rules of <c>ARCHITECTURE.md</c> about folders, held by the compiled code.</summary>
public sealed class ArchitectureTests : IDisposable
{
    /// <summary>From high to low. A folder refers to lower ones only. "" is the root.</summary>
    private static readonly string[] _layers =
    [
        "Status", "", "Hosting", "Listening", "Datagrams", "ProxyProtocol", "Dialing", "Connections", "Loops",
        "Descriptors", "Polling", "Options", "Diagnostics", "Native",
    ];

    /// <summary>
    /// Sub-folders that could stand alone. The others make one thing together with the folder they lie in.
    /// </summary>
    private static readonly string[] _parts =
    [
        "Connections/Buffers", "Descriptors/UnixSockets", "Listening/Balancing", "Listening/Takeover",
    ];

    /// <summary>Sub-folders that are built on the folder they lie in, which could stand alone.</summary>
    private static readonly string[] _additions = ["Loops/Adaptive"];

    private readonly FolderMap _map = new();

    public void Dispose() => _map.Dispose();

    [Fact]
    public void Every_type_lies_in_a_file_of_its_name() => Assert.Empty(_map.Homeless);

    [Fact]
    public void References_go_down_the_layers()
    {
        var upward = _map.References
            .Where(reference => LayerOf(reference.From) > LayerOf(reference.To))
            .Select(Describe);

        Assert.Equal("", string.Join(Environment.NewLine, upward.Distinct()));
    }

    [Fact]
    public void Parts_know_nothing_of_what_they_are_parts_of()
    {
        var upward = _map.References
            .Where(reference => _parts.Contains(reference.From)
                && reference.From.StartsWith(reference.To + "/", StringComparison.Ordinal))
            .Select(Describe);

        Assert.Equal("", string.Join(Environment.NewLine, upward.Distinct()));
    }

    [Fact]
    public void What_additions_are_built_on_knows_nothing_of_them()
    {
        var downward = _map.References
            .Where(reference => _additions.Contains(reference.To)
                && reference.To.StartsWith(reference.From + "/", StringComparison.Ordinal))
            .Select(Describe);

        Assert.Equal("", string.Join(Environment.NewLine, downward.Distinct()));
    }

    [Fact]
    public void No_two_folders_refer_to_each_other()
    {
        var references = _map.References.ToLookup(reference => (reference.From, reference.To));
        var circles = references
            .Where(pair => !IsWithin(pair.Key.From, pair.Key.To) && !IsWithin(pair.Key.To, pair.Key.From)
                && references.Contains((pair.Key.To, pair.Key.From)))
            .SelectMany(pair => pair.Select(Describe));

        Assert.Equal("", string.Join(Environment.NewLine, circles.Distinct()));
    }

    [Fact]
    public void Public_types_lie_in_the_root_and_in_Options_Status_Hosting_Datagrams_and_ProxyProtocol()
    {
        var elsewhere = _map.PublicTypes
            .Select(type => (type.Name, Folder: _map.FolderOfName(type.Name)))
            .Where(type => type.Folder.Split('/')[0]
                is not ("" or "Options" or "Status" or "Hosting" or "Datagrams" or "ProxyProtocol"));

        Assert.Empty(elsewhere);
    }

    [Fact]
    public void The_root_has_at_most_eight_files()
        => Assert.InRange(Directory.GetFiles(Repository.Transport, "*.cs").Length, 1, 8);

    [Fact]
    public void Only_Native_imports_from_native_libraries()
        => Assert.DoesNotContain(_map.Imports, import => import.Folder != "Native");

    private static bool IsWithin(string folder, string other)
        => folder.StartsWith(other + "/", StringComparison.Ordinal);

    private static int LayerOf(string folder)
    {
        var layer = Array.IndexOf(_layers, folder.Split('/')[0]);
        Assert.True(layer >= 0, $"The folder {folder} has no layer yet.");
        return layer;
    }

    private static string Describe((string From, string To, string Reference) reference)
        => $"{Name(reference.From)} -> {Name(reference.To)}: {reference.Reference}";

    private static string Name(string folder) => folder.Length == 0 ? "root" : folder;
}
