namespace KestrelEventLoopTransport.IntegrationTests.Tools;

/// <summary>The working tree that this test was built from.</summary>
internal static class Repository
{
    // test/<project>/bin/<configuration>/<framework>/ is where this runs.
    public static string Root { get; } = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../../.."));

    public static string PathOf(params string[] names) => Path.Combine([Root, .. names]);
}
