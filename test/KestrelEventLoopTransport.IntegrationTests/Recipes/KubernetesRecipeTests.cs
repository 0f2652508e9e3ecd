using System.Globalization;
using System.Net;
using KestrelEventLoopTransport.IntegrationTests.Tools;
using Microsoft.Extensions.Hosting;
using YamlDotNet.Serialization;

namespace KestrelEventLoopTransport.IntegrationTests.Recipes;

/// <summary>The README's manifest: an app with its environment, and its times against each other.</summary>
[Trait("Poller", "epoll")]
public sealed class KubernetesRecipeTests
{
    private const string Recipe = "On Kubernetes";

    [Fact(Timeout = HangGuard.Milliseconds)]
    public async Task The_manifest_describes_an_app_that_starts_and_is_ready()
    {
        var container = At(Manifest(), "spec", "template", "spec", "containers", "0");
        var variables = ((List<object>)At(container, "env")).ToDictionary(
            static variable => Text(variable, "name"), static variable => Text(variable, "value"));
        var port = Text(container, "ports", "0", "containerPort");
        Assert.Equal(port, variables["ASPNETCORE_HTTP_PORTS"]);
        Assert.Equal(port, Text(container, "readinessProbe", "httpGet", "port"));

        var settings = variables
            .Where(static variable => variable.Key != "ASPNETCORE_HTTP_PORTS")
            .Select(static variable => KeyValuePair.Create(
                variable.Key.Replace("__", ":", StringComparison.Ordinal), (string?)variable.Value))
            .Append(new("urls", "http://127.0.0.1:0"));
        await using var app = await RecipeApp.StartAsync(configuration: settings);

        Assert.Equal(
            int.Parse(Text(container, "resources", "requests", "cpu"), CultureInfo.InvariantCulture),
            app.Monitor.GetLoopStatistics().Count);
        using var client = LoopbackHttpClient.Create(new Uri($"http://{app.EndPoint}"), ClientProtocol.Http1);
        using var ready = await client.GetAsync(Text(container, "readinessProbe", "httpGet", "path"), HangGuard.Token);
        Assert.Equal(HttpStatusCode.OK, ready.StatusCode);
    }

    [Fact]
    public void The_pod_has_time_for_the_sleep_and_for_the_requests_of_a_stopping_host()
    {
        var pod = At(Manifest(), "spec", "template", "spec");
        var sleep = Seconds(pod, "containers", "0", "lifecycle", "preStop", "sleep", "seconds");

        Assert.True(
            Seconds(pod, "terminationGracePeriodSeconds") > sleep + new HostOptions().ShutdownTimeout.TotalSeconds);
    }

    [Fact]
    public void The_selector_finds_the_pods()
        => Assert.Equal(
            Text(Manifest(), "spec", "selector", "matchLabels", "app"),
            Text(Manifest(), "spec", "template", "metadata", "labels", "app"));

    private static object Manifest()
        => new DeserializerBuilder().Build().Deserialize<object>(Readme.Block(Recipe, "yaml"));

    private static double Seconds(object node, params string[] path)
        => double.Parse(Text(node, path), CultureInfo.InvariantCulture);

    private static string Text(object node, params string[] path) => (string)At(node, path);

    private static object At(object node, params string[] path)
        => path.Aggregate(node, static (node, key) => node is List<object> list
            ? list[int.Parse(key, CultureInfo.InvariantCulture)]
            : ((Dictionary<object, object>)node)[key]);
}
