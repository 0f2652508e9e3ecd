using System.Globalization;
using System.IO.Compression;
using System.Net;
using System.Text.RegularExpressions;
using KestrelEventLoopTransport.IntegrationTests.Tools;

namespace KestrelEventLoopTransport.IntegrationTests.Packages;

/// <summary>The templates of <c>dotnet new</c>: installed from their package, created, built and talked to.</summary>
[Slow]
[Collection<PackageSuite>]
[Trait("Poller", "epoll")]
public sealed partial class TemplateTests(PackedApp app)
{
    [Fact(Timeout = HangGuard.PackageMilliseconds)]
    public async Task Its_package_has_both_templates_and_refers_to_the_packages_made_with_it()
    {
        await using var package = await ZipFile.OpenReadAsync(
            app.PackageOf("KestrelEventLoopTransport.Templates"), HangGuard.Token);
        var files = package.Entries.Select(entry => entry.FullName).ToList();
        Assert.Contains("README.md", files);
        Assert.Contains("content/eventloop-web/.template.config/template.json", files);
        Assert.Contains("content/eventloop-tcp/.template.config/template.json", files);
        Assert.DoesNotContain(files, static file => file.EndsWith(".dll", StringComparison.Ordinal));
        foreach (var project in package.Entries.Where(
            static entry => entry.Name.EndsWith(".csproj", StringComparison.Ordinal)))
        {
            using var reader = new StreamReader(await project.OpenAsync(HangGuard.Token));
            var text = await reader.ReadToEndAsync(HangGuard.Token);
            Assert.Contains(
                $"""Include="KestrelEventLoopTransport" Version="{PackedApp.Version}" """,
                text,
                StringComparison.Ordinal);
            Assert.DoesNotContain("PACKAGE_VERSION", text, StringComparison.Ordinal);
        }
    }

    [Fact(Timeout = HangGuard.PackageMilliseconds)]
    public async Task The_web_app_answers_and_shows_its_loops()
    {
        var output = await app.CreateAsync("eventloop-web", "Shop.Web");
        await using var process = ToolProcess.Start(
            "dotnet",
            Path.Combine(output, "Shop.Web.dll"), "--contentRoot", output, "--urls", "http://127.0.0.1:0");
        var address = (await process.UntilWrittenAsync(NowListening())).Groups[1].Value;
        using var client = LoopbackHttpClient.Create(new Uri(address), ClientProtocol.Http1);
        Assert.Equal("Hello, World!", await client.GetStringAsync("/", HangGuard.Token));
        Assert.Contains("\"loops\"", await client.GetStringAsync("/loops", HangGuard.Token), StringComparison.Ordinal);
        (await process.StopAsync()).AssertSuccess();
    }

    [Fact(Timeout = HangGuard.PackageMilliseconds)]
    public async Task The_protocol_app_answers_each_line()
    {
        var output = await app.CreateAsync("eventloop-tcp", "my-ticker");
        await using var process = ToolProcess.Start(
            "dotnet", Path.Combine(output, "my-ticker.dll"), "--contentRoot", output, "--port", "0");
        var port = (await process.UntilWrittenAsync(Listening())).Groups[1].ValueSpan;
        using var client = await RawClient.ConnectAsync(
            new IPEndPoint(IPAddress.Loopback, int.Parse(port, CultureInfo.InvariantCulture)));
        await client.SendAsync("echo hello world\nTIME\nother\n");
        Assert.Equal("hello world", await client.ReceiveLineAsync());
        Assert.True(DateTimeOffset.TryParse(
            await client.ReceiveLineAsync(), CultureInfo.InvariantCulture, out _));
        Assert.StartsWith("error: ", await client.ReceiveLineAsync(), StringComparison.Ordinal);
        (await process.StopAsync()).AssertSuccess();
    }

    [GeneratedRegex(@"Now listening on: (\S+)\s")]
    private static partial Regex NowListening();

    [GeneratedRegex(@"Listening on \S+:(\d+)\s")]
    private static partial Regex Listening();
}
