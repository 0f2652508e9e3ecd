using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using KestrelEventLoopTransport.IntegrationTests.Tools;

namespace KestrelEventLoopTransport.IntegrationTests.Recipes;

/// <summary>The README's units, as systemd's own tools see them, and the app on the socket of one.</summary>
[Trait("Poller", "epoll")]
public sealed partial class SystemdRecipeTests
{
    private const string Recipe = "As a systemd service";

    private static string Socket => Readme.Block(Recipe, "ini", 0);

    private static string Service => Readme.Block(Recipe, "ini", 1);

    [Fact(Timeout = HangGuard.Milliseconds)]
    public async Task The_units_are_valid_and_as_closed_as_the_README_says()
    {
        using var units = new Units();

        var verified = await ToolProcess.RunAsync("systemd-analyze", "verify", "--man=no", units.Socket, units.Service);

        Assert.Equal("", verified.AssertSuccess().Error);
        var section = string.Join(' ', Readme.Section(Recipe));
        var threshold = decimal.Parse(Exposure().Match(section).Groups[1].Value, CultureInfo.InvariantCulture);
        var rated = await ToolProcess.RunAsync(
            "systemd-analyze",
            "security",
            "--offline=yes",
            "--no-pager",
            FormattableString.Invariant($"--threshold={threshold * 10:0}"),
            units.Service);
        rated.AssertSuccess();
    }

    [Fact(Timeout = HangGuard.Milliseconds)]
    public async Task Every_system_call_of_the_transport_passes_the_filter()
    {
        var sets = await SystemCallSets.ReadAsync();
        var known = sets.CallsOf("@known").ToHashSet();

        var imported = typeof(EventLoopTransportFactory).Assembly.GetTypes()
            .SelectMany(static type => type.GetMethods(
                BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.Public))
            .Select(static method => method.GetCustomAttribute<DllImportAttribute>()?.EntryPoint)
            .OfType<string>()
            .Where(known.Contains)
            .ToHashSet();

        Assert.Superset(new HashSet<string> { "accept4", "epoll_wait", "fchownat", "recvmmsg" }, imported);
        Assert.Empty(imported.Except(sets.CallsOf(Filter())));
    }

    [Fact(Timeout = HangGuard.Milliseconds)]
    public async Task The_app_serves_the_socket_of_its_unit_and_all_that_it_calls_passes_the_filter()
    {
        var sets = await SystemCallSets.ReadAsync();
        using var trace = new TemporaryFile("");
        var port = FreePort.Next();
        await using var process = ToolProcess.Start(
            "strace",
            ["-f", "-qq", "-c", "-U", "name", "-o", trace.Path,
            "systemd-socket-activate", "-l", $"127.0.0.1:{port}", $"--fdname={Setting(Socket, "FileDescriptorName")}",
            "dotnet", SampleProcess.PathOf("RollingRestart"), "--urls", "http://127.0.0.1:0"]);
        using var client = LoopbackHttpClient.Create(new Uri($"http://127.0.0.1:{port}"), ClientProtocol.Http1);
        var answer = await AskAsync(client, process);

        // strace ends with the program, and says then what was called: a title, a line, and a name in each line.
        (await ToolProcess.RunAsync("kill", "-TERM", answer["Answered by process ".Length..])).AssertSuccess();
        await Poll.UntilAsync(() => process.HasExited);

        var called = (await File.ReadAllLinesAsync(trace.Path, HangGuard.Token)).Skip(2)
            .Select(static line => line.Trim())
            .Where(sets.CallsOf("@known").ToHashSet().Contains)
            .ToHashSet();
        Assert.Superset(new HashSet<string> { "accept4", "epoll_wait", "execve" }, called);
        Assert.Empty(called.Except(sets.CallsOf(Filter())));
    }

    // What systemd does with the line, which it takes for a set of calls to allow.
    private static string Filter() => Setting(Service, "SystemCallFilter");

    private static string Setting(string unit, string name)
    {
        var line = Assert.Single(
            unit.Split('\n'), line => line.StartsWith(name + "=", StringComparison.Ordinal));
        return line[(name.Length + 1)..];
    }

    private static async Task<string> AskAsync(HttpClient client, ToolProcess process)
    {
        while (true)
        {
            try
            {
                return await client.GetStringAsync("/", HangGuard.Token);
            }
            catch (HttpRequestException)
            {
                // The tool does not listen yet.
                Assert.SkipWhen(
                    process.Error.Contains("ptrace", StringComparison.Ordinal), $"No traces here: {process.Error}");
                Assert.False(process.HasExited, process.Error);
                await Task.Delay(20, HangGuard.Token);
            }
        }
    }

    [GeneratedRegex(@"gives this unit less than (\d+(\.\d+)?)")]
    private static partial Regex Exposure();

    /// <summary>The units in files of their names, with a program that is there.</summary>
    private sealed class Units : IDisposable
    {
        private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("units-");

        public Units()
        {
            File.WriteAllText(Socket, SystemdRecipeTests.Socket);
            File.WriteAllText(Service, SystemdRecipeTests.Service.With("/opt/app/App", "/bin/true"));
        }

        public string Socket => Path.Combine(_directory.FullName, "app.socket");

        public string Service => Path.Combine(_directory.FullName, "app.service");

        public void Dispose() => _directory.Delete(recursive: true);
    }
}
