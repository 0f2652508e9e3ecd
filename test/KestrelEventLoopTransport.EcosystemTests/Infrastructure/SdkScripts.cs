using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.FileProviders;

namespace KestrelEventLoopTransport.EcosystemTests.Infrastructure;

/// <summary>Blazor's scripts, which a web project gets from its SDK.</summary>
internal static class SdkScripts
{
    private static readonly string _directory = Path.Combine(AppContext.BaseDirectory, "_framework");

    public static void SkipUnlessThere()
        => Assert.SkipUnless(Directory.Exists(_directory), "The SDK brought no scripts of Blazor.");

    /// <summary>Serves them below <c>/_framework</c>.</summary>
    public static void Use(WebApplication app) => app.UseStaticFiles(new StaticFileOptions
    {
        FileProvider = new PhysicalFileProvider(_directory),
        RequestPath = "/_framework",
    });
}
