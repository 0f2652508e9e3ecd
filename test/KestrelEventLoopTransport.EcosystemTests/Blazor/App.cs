using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Rendering;
using Microsoft.AspNetCore.Components.Web;

namespace KestrelEventLoopTransport.EcosystemTests.Blazor;

/// <summary>The page: a counter that lives on the server, and the script that connects it.</summary>
[Route("/")]
public sealed class App : ComponentBase
{
    protected override void BuildRenderTree(RenderTreeBuilder builder)
    {
        builder.AddMarkupContent(0, "<!doctype html><html><head><title>Counter</title></head><body>");
        builder.OpenComponent<Counter>(1);
        builder.AddComponentRenderMode(new InteractiveServerRenderMode(prerender: false));
        builder.CloseComponent();
        builder.AddMarkupContent(2, "<script src=\"_framework/blazor.web.js\"></script></body></html>");
    }
}
