namespace KestrelEventLoopTransport.Tests.Layers;

/// <summary>The files of the repository that the tests were built from.</summary>
internal static class Repository
{
    private static readonly string _root = Find();

    internal static string Transport => Path.Combine(_root, "src", "KestrelEventLoopTransport");

    internal static string PathOf(string relative) => Path.Combine(_root, relative);

    private static string Find()
    {
        var start = new DirectoryInfo(AppContext.BaseDirectory);
        for (var directory = start; directory is not null; directory = directory.Parent)
        {
            if (File.Exists(Path.Combine(directory.FullName, "KestrelEventLoopTransport.sln")))
            {
                return directory.FullName;
            }
        }

        throw new DirectoryNotFoundException($"{AppContext.BaseDirectory} does not lie in the repository.");
    }
}
